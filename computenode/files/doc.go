// Package files is a node's own file space and the work on it: files that people and
// other programs put, videos that become pictures and pictures that become videos,
// faces and meshes. It lies in the node's workspace, beside the files of tasks, and
// lives as long as the node.
//
// A file is seen only when it is whole: what comes or is made lies elsewhere until it
// is moved to its name. Native code runs in the node's child processes; see package media.
package files
