// Package rpc carries the two seams of package job over Apache Thrift: a
// [NodeConn] is a far [job.Worker], a [ServiceConn] a far [job.Service];
// [ServeNode] and [ServeService] answer for near ones.
//
// On the wire: binary protocol (strict or not), unframed, one call at a time on
// a connection, as the assignment's own programs speak it. Protocol and
// generated code are Apache's; sockets, pools, limits and errors are ours,
// because the stock transports ignore contexts, die of panics and believe
// lengths. A message is read whole, within [limits], before Apache's code sees
// it, so that memory grows with bytes received and never with bytes promised.
package rpc
