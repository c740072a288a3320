package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"spillway/job"
	"spillway/view"
)

// Kinds of events about nodes; state and present are as for jobs.
const (
	joinEvent  = "join"
	leaveEvent = "leave"
	loadEvent  = "load"
)

const (
	// nodesEvery is how often it is looked how the nodes stand while somebody listens.
	nodesEvery = time.Second
	// loadEvery is how often listeners hear of their load.
	loadEvery = 2 * time.Second
)

type (
	// nodesPresent is all nodes as they stand.
	nodesPresent struct {
		Nodes []view.Node `json:"nodes" doc:"all, by name"`
	}
	// nodeLeft is a node that is not one of the server's any more.
	nodeLeft struct {
		Name job.NodeID `json:"name" example:"node_0"`
	}
	// nodesLoad is how busy some nodes are.
	nodesLoad struct {
		Nodes []nodeLoad `json:"nodes" doc:"those whose load has changed, by name"`
	}
	// nodeLoad is how busy a node is, in the words of view.Node.
	nodeLoad struct {
		Name  job.NodeID    `json:"name" example:"node_0"`
		State job.NodeState `json:"state" enum:"idle,processing,draining,inaccessible" doc:"what it is doing"`
		view.Load
	}
)

// followNodes is the source of the nodes' events.
func followNodes(s Nodes) source {
	return func(ctx context.Context, t *topic) error {
		var f nodesFeed
		for {
			all, err := s.Nodes(ctx)
			switch {
			case err != nil && f.known == nil:
				return err
			case err == nil:
				present := func() note { return note{presentEvent, nodesPresent{view.Each(all, view.OfNode)}} }
				t.tell(present, f.next(all, time.Now())...)
			}
			if !wait(ctx, nodesEvery) {
				return nil
			}
		}
	}
}

// nodesFeed makes events of how the nodes stand, looked at again and again.
type nodesFeed struct {
	known  map[job.NodeID]job.Node // nil: nobody has looked yet
	loads  map[job.NodeID]nodeLoad // as listeners know them
	loaded time.Time               // when they heard of them
}

// next is what has changed; nothing at the first look.
func (f *nodesFeed) next(all []job.Node, now time.Time) (notes []note) {
	first, was := f.known == nil, f.known
	f.known = make(map[job.NodeID]job.Node, len(all))
	for _, n := range all { // of two with one name, the one that came last
		f.known[n.ID] = n
	}
	names := slices.SortedFunc(maps.Keys(f.known), cmp.Compare[job.NodeID])
	if first {
		f.loaded, f.loads = now, map[job.NodeID]nodeLoad{}
		for _, name := range names {
			f.loads[name] = loadOf(f.known[name])
		}
		return nil
	}
	for _, name := range slices.SortedFunc(maps.Keys(was), cmp.Compare[job.NodeID]) {
		if _, stays := f.known[name]; !stays {
			delete(f.loads, name)
			notes = append(notes, note{leaveEvent, nodeLeft{name}})
		}
	}
	for _, name := range names {
		n := f.known[name]
		old, known := was[name]
		switch {
		case !known:
			notes = append(notes, note{joinEvent, view.OfNode(n)})
		case !sameState(old, n):
			notes = append(notes, note{stateEvent, view.OfNode(n)})
		default:
			continue
		}
		f.loads[name] = loadOf(n)
	}
	return append(notes, f.load(names, now)...)
}

// sameState reports whether nothing but a node's load and link differ.
func sameState(a, b job.Node) bool {
	return a.State == b.State && a.Err == b.Err && a.Addr == b.Addr && a.Registered == b.Registered && slices.Equal(a.Tags, b.Tags)
}

// load tells of the nodes whose load has changed, if it is time.
func (f *nodesFeed) load(names []job.NodeID, now time.Time) []note {
	if now.Sub(f.loaded) < loadEvery {
		return nil
	}
	f.loaded = now
	var changed nodesLoad
	for _, name := range names {
		if l := loadOf(f.known[name]); l != f.loads[name] {
			f.loads[name] = l
			changed.Nodes = append(changed.Nodes, l)
		}
	}
	if len(changed.Nodes) == 0 {
		return nil
	}
	return []note{{loadEvent, changed}}
}

// loadOf is how busy a node is.
func loadOf(n job.Node) nodeLoad {
	return nodeLoad{n.ID, n.State, view.OfLoad(n)}
}
