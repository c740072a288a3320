"""The assignment's programs, as its students write them: unframed buffered
transport, binary protocol, no exceptions, nothing but its own four calls.

    assignment.py client PORT FOLDER true|false     prints the elapsed seconds
    assignment.py node PORT simple|threaded|pool    a node that copies its inputs
    assignment.py server PORT FOLDER FILE MODE      calls a node as the server does

It speaks through the library's protocol, so that no generated code is needed.
"""

import os
import random
import shutil
import sys

from thrift.protocol import TBinaryProtocol
from thrift.server import TServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport


def call(port, name, fields):
    """Makes one call; fields are (id, type, value). Returns the result's text."""
    transport = TTransport.TBufferedTransport(TSocket.TSocket("127.0.0.1", int(port)))
    protocol = TBinaryProtocol.TBinaryProtocol(transport)
    transport.open()
    protocol.writeMessageBegin(name, TMessageType.CALL, 0)
    protocol.writeStructBegin(name + "_args")
    for number, kind, value in fields:
        protocol.writeFieldBegin("", kind, number)
        if kind == TType.BOOL:
            protocol.writeBool(value)
        else:
            protocol.writeString(value)
        protocol.writeFieldEnd()
    protocol.writeFieldStop()
    protocol.writeMessageEnd()
    transport.flush()
    _, kind, _ = protocol.readMessageBegin()
    if kind == TMessageType.EXCEPTION:
        problem = TApplicationException()
        problem.read(protocol)
        raise problem
    result = read_fields(protocol)
    protocol.readMessageEnd()
    transport.close()
    return result.get(0)


def read_fields(protocol):
    fields = {}
    protocol.readStructBegin()
    while True:
        _, kind, number = protocol.readFieldBegin()
        if kind == TType.STOP:
            break
        if kind == TType.STRING:
            fields[number] = protocol.readString()
        elif kind == TType.BOOL:
            fields[number] = protocol.readBool()
        else:
            protocol.skip(kind)
        protocol.readFieldEnd()
    protocol.readStructEnd()
    return fields


class Node:
    """A processor that knows execute, delayed_execute and ping."""

    def process(self, iprot, oprot):
        name, _, seqid = iprot.readMessageBegin()
        args = read_fields(iprot)
        iprot.readMessageEnd()
        if name in ("execute", "delayed_execute"):
            if name == "execute" and random.random() < 0.3:
                self.reply(oprot, name, seqid, "Rejected")
                return
            base, image = args[1], args[2]
            os.makedirs(os.path.join(base, "output_dir"), exist_ok=True)
            shutil.copy(os.path.join(base, "input_dir", image), os.path.join(base, "output_dir", image))
            self.reply(oprot, name, seqid, "Success")
        elif name == "ping":
            self.reply(oprot, name, seqid, None)
        else:
            oprot.writeMessageBegin(name, TMessageType.EXCEPTION, seqid)
            TApplicationException(TApplicationException.UNKNOWN_METHOD, "Unknown function " + name).write(oprot)
            oprot.writeMessageEnd()
            oprot.trans.flush()

    def reply(self, oprot, name, seqid, text):
        oprot.writeMessageBegin(name, TMessageType.REPLY, seqid)
        oprot.writeStructBegin(name + "_result")
        if text is not None:
            oprot.writeFieldBegin("success", TType.STRING, 0)
            oprot.writeString(text)
            oprot.writeFieldEnd()
        oprot.writeFieldStop()
        oprot.writeStructEnd()
        oprot.writeMessageEnd()
        oprot.trans.flush()


def node(port, kind):
    servers = {
        "simple": TServer.TSimpleServer,
        "threaded": TServer.TThreadedServer,
        "pool": TServer.TThreadPoolServer,
    }
    socket = TSocket.TServerSocket("127.0.0.1", int(port))
    server = servers[kind](
        Node(), socket, TTransport.TBufferedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()
    )
    server.serve()


def main():
    mode = sys.argv[1]
    if mode == "client":
        print(call(sys.argv[2], "submit_request", [(1, TType.STRING, sys.argv[3]), (2, TType.BOOL, sys.argv[4] == "true")]))
    elif mode == "server":
        print(call(sys.argv[2], sys.argv[5], [(1, TType.STRING, sys.argv[3]), (2, TType.STRING, sys.argv[4])]))
    else:
        node(sys.argv[2], sys.argv[3])


if __name__ == "__main__":
    main()
