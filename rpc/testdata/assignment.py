"""The assignment's programs as its students write them: Apache Thrift's Python
library, unframed buffered transport, binary protocol. What the compiler would
generate is written by hand, so that these tests need no compiler.

    assignment.py node simple|threaded|pool execute,delayed_execute[,ping]
    assignment.py call PORT binary|accelerated|unversioned METHOD [ARGUMENT...]

A node prints its port, then a line for each call. What it does depends on the
file's name: rejectme is rejected, boom raises, odd gets a strange answer, slow
takes half a second. A call prints its outcome as one line of JSON.
"""
import json
import sys
import time

from thrift.protocol import TBinaryProtocol
from thrift.protocol.TBase import TBase
from thrift.server import TServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport


def struct(name, *fields):
    """Makes a struct class from (id, type, name) fields, as generated code has."""
    spec = [None] * (max([f[0] for f in fields], default=-1) + 1)
    for number, kind, field in fields:
        spec[number] = (number, kind, field, "UTF8" if kind == TType.STRING else None, None)

    def init(self, **values):
        for _, _, field in fields:
            setattr(self, field, values.get(field))

    return type(name, (TBase,), {"thrift_spec": tuple(spec), "__slots__": [f[2] for f in fields],
                                 "__init__": init})


FILE = ((1, TType.STRING, "base_path"), (2, TType.STRING, "file_name"))
TEXT = ((0, TType.STRING, "success"),)
METHODS = {
    "ping": (struct("ping_args"), struct("ping_result")),
    "execute": (struct("execute_args", *FILE), struct("execute_result", *TEXT)),
    "delayed_execute": (struct("delayed_execute_args", *FILE), struct("delayed_execute_result", *TEXT)),
    "submit_request": (struct("submit_request_args", (1, TType.STRING, "source_folder"),
                              (2, TType.BOOL, "is_random")),
                       struct("submit_request_result", *TEXT)),
}


class Processor:
    """What the compiler generates for a service, for the methods named."""

    def __init__(self, methods, handler):
        self.methods, self.handler = methods, handler

    def process(self, iprot, oprot):
        name, _, seqid = iprot.readMessageBegin()
        if name not in self.methods:
            iprot.skip(TType.STRUCT)
            iprot.readMessageEnd()
            return self.answer(oprot, name, TMessageType.EXCEPTION, seqid, TApplicationException(
                TApplicationException.UNKNOWN_METHOD, "Unknown function %s" % name))
        args_class, result_class = METHODS[name]
        args = args_class()
        args.read(iprot)
        iprot.readMessageEnd()
        result = result_class()
        try:
            value = self.handler(name, args)
            if name != "ping":
                result.success = value
            kind = TMessageType.REPLY
        except TTransport.TTransportException:
            raise
        except Exception:
            kind = TMessageType.EXCEPTION
            result = TApplicationException(TApplicationException.INTERNAL_ERROR, "Internal error")
        return self.answer(oprot, name, kind, seqid, result)

    def answer(self, oprot, name, kind, seqid, body):
        oprot.writeMessageBegin(name, kind, seqid)
        body.write(oprot)
        oprot.writeMessageEnd()
        oprot.trans.flush()
        return True


class Listener(TSocket.TServerSocket):
    """Takes a free port and prints it."""

    def listen(self):
        TSocket.TServerSocket.listen(self)
        print(self.handle.getsockname()[1], flush=True)


def handle(name, args):
    if name == "ping":
        print("ping", flush=True)
        return None
    print(name, args.base_path, args.file_name, flush=True)
    if args.file_name == "boom":
        raise ValueError("boom")
    if args.file_name == "odd":
        return "Maybe"
    if args.file_name == "slow":
        time.sleep(0.5)
    return "Rejected" if args.file_name == "rejectme" and name == "execute" else "Success"


def node(kind, methods):
    servers = {"simple": TServer.TSimpleServer, "threaded": TServer.TThreadedServer,
               "pool": TServer.TThreadPoolServer}
    processor = Processor(methods.split(","), handle)
    listener = Listener(host="127.0.0.1", port=0)
    extra = {} if kind == "simple" else {"daemon": True}
    servers[kind](processor, listener, TTransport.TBufferedTransportFactory(),
                  TBinaryProtocol.TBinaryProtocolFactory(), **extra).serve()


def call(port, protocol, method, *values):
    transport = TTransport.TBufferedTransport(TSocket.TSocket("127.0.0.1", int(port)))
    protocols = {"binary": lambda: TBinaryProtocol.TBinaryProtocol(transport),
                 "accelerated": lambda: TBinaryProtocol.TBinaryProtocolAccelerated(transport, fallback=False),
                 "unversioned": lambda: TBinaryProtocol.TBinaryProtocol(transport, False, False)}
    wire = protocols[protocol]()
    transport.open()
    args_class, result_class = METHODS[method]
    fields = [f for f in args_class.thrift_spec if f]
    args = args_class(**{f[2]: value == "true" if f[1] == TType.BOOL else value
                         for f, value in zip(fields, values)})
    for repeat in (1, 2):  # twice over one connection
        wire.writeMessageBegin(method, TMessageType.CALL, repeat)
        args.write(wire)
        wire.writeMessageEnd()
        transport.flush()
        name, kind, seqid = wire.readMessageBegin()
        assert (name, seqid) == (method, repeat), (name, seqid)
        body = TApplicationException() if kind == TMessageType.EXCEPTION else result_class()
        body.read(wire)
        wire.readMessageEnd()
        if kind == TMessageType.EXCEPTION:
            print(json.dumps({"error": body.message, "type": body.type}), flush=True)
        else:
            print(json.dumps({"success": getattr(body, "success", None)}), flush=True)
    transport.close()


if __name__ == "__main__":
    {"node": node, "call": call}[sys.argv[1]](*sys.argv[2:])
