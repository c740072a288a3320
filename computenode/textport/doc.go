// Package textport drives a node over a plain socket with lines of text, as the master
// of the lecture drives its workers, so that nc or a program of one's own can. See
// docs/text-protocol.md for the requests and their replies.
//
// A request is a line; put file is followed by exactly as many bytes as it says. A
// reply is a line that begins with the time, and of a file that is sent, exactly as
// many bytes as it says. What the protocol has no reply for is a line that begins with
// "error: ". No request ends the connection, but one that cannot be told from the next.
package textport
