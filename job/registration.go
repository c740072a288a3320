package job

import (
	"errors"
	"fmt"
)

// maxTags bounds the tags of one node.
const maxTags = 32

// Registration is a node that joins a running server.
type Registration struct {
	Node NodeID
	// Addr is HOST:PORT. Without a host it is that of the caller, as the server
	// sees it.
	Addr string
	Tags []string
	// Leaving tells that the node stops: it gets nothing new, and is forgotten as
	// soon as it is gone.
	Leaving bool
}

// CheckTags reports the first tag that is none: 1 to 64 of the characters
// a-z A-Z 0-9 - _ and a dot that does not lead. Errors: InvalidArgument.
func CheckTags(tags []string) error {
	if len(tags) > maxTags {
		return E(InvalidArgument, "tags", fmt.Errorf("%d are too many", len(tags)), fmt.Sprintf("use at most %d", maxTags))
	}
	for _, tag := range tags {
		if err := ID(tag).Check(); err != nil {
			return E(InvalidArgument, "tags", fmt.Errorf("%.80q is not a tag", tag), HintOf(err))
		}
	}
	return nil
}

// Check reports what is wrong with the name or the tags. Errors: InvalidArgument.
func (r Registration) Check() error {
	if err := ID(r.Node).Check(); err != nil {
		return E(InvalidArgument, "register", errors.New(Shown(fmt.Sprintf("%.80q cannot name a node", string(r.Node)))), HintOf(err))
	}
	return CheckTags(r.Tags)
}
