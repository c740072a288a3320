"""The assignment's programs, as its students write them: unframed buffered
transport, binary protocol, no exceptions, nothing but its own four calls.

    assignment.py client PORT FOLDER true|false     prints the elapsed seconds
    assignment.py node PORT simple|threaded|pool    a node that copies its inputs
    assignment.py server PORT NODE_PORT...          a server that uses these nodes
    assignment.py call PORT FOLDER FILE METHOD      one call of a node

It speaks through the library's protocol, so that no generated code is needed.
"""

import os
import random
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor

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


class Processor:
    """Answers calls; methods maps a name to a function of the fields."""

    def __init__(self, methods):
        self.methods = dict(methods, ping=lambda fields: None)

    def process(self, iprot, oprot):
        name, _, seqid = iprot.readMessageBegin()
        fields = read_fields(iprot)
        iprot.readMessageEnd()
        if name in self.methods:
            self.reply(oprot, name, seqid, self.methods[name](fields))
            return
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


def delayed_execute(fields):
    base, image = fields[1], fields[2]
    os.makedirs(os.path.join(base, "output_dir"), exist_ok=True)
    shutil.copy(os.path.join(base, "input_dir", image), os.path.join(base, "output_dir", image))
    return "Success"


def execute(fields):
    return "Rejected" if random.random() < 0.3 else delayed_execute(fields)


def node_call(port, method, base, image):
    return call(port, method, [(1, TType.STRING, base), (2, TType.STRING, image)])


def send(nodes, is_random, base, image):
    """Sends one image to a random node, and elsewhere while it is rejected."""
    while True:
        if node_call(random.choice(nodes), "delayed_execute" if is_random else "execute", base, image) == "Success":
            return


def submit_request(nodes, fields):
    start = time.time()
    images = os.listdir(os.path.join(fields[1], "input_dir"))
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(send, nodes, fields[2], fields[1], image) for image in images]:
            done.result()
    return str(time.time() - start)


SERVERS = {"simple": TServer.TSimpleServer, "threaded": TServer.TThreadedServer, "pool": TServer.TThreadPoolServer}


def serve(port, kind, methods):
    socket = TSocket.TServerSocket("127.0.0.1", int(port))
    SERVERS[kind](
        Processor(methods), socket, TTransport.TBufferedTransportFactory(), TBinaryProtocol.TBinaryProtocolFactory()
    ).serve()


def main():
    mode, args = sys.argv[1], sys.argv[2:]
    if mode == "client":
        print(call(args[0], "submit_request", [(1, TType.STRING, args[1]), (2, TType.BOOL, args[2] == "true")]))
    elif mode == "call":
        print(node_call(args[0], args[3], args[1], args[2]))
    elif mode == "server":
        serve(args[0], "threaded", {"submit_request": lambda fields: submit_request(args[1:], fields)})
    else:
        serve(args[0], args[1], {"execute": execute, "delayed_execute": delayed_execute})


if __name__ == "__main__":
    main()
