package api

import "regexp"

// mendOfClient is a mend in the words of the client, as the other floors tell it.
var mendOfClient = regexp.MustCompile(`\bclient (?:(nodes|jobs|operations)|cancel (\S+)|watch (\S+))`)

// mend is a hint in the words of this API: the calls in place of the client's commands.
func mend(hint string) string {
	return mendOfClient.ReplaceAllStringFunc(hint, func(command string) string {
		m := mendOfClient.FindStringSubmatch(command)
		switch {
		case m[1] != "":
			return "GET /" + m[1]
		case m[2] != "":
			return "POST /jobs/" + m[2] + "/cancel"
		}
		return "GET /jobs/" + m[3]
	})
}
