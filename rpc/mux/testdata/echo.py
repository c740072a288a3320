"""The service of thrift/echo.thrift with Apache Thrift's Python library alone. What
the compiler would generate is written by hand, so that the tests need no compiler.

    echo.py server simple|threaded|pool TRANSPORT PROTOCOL
    echo.py client PORT TRANSPORT PROTOCOL

TRANSPORT is buffered, framed, header or zlib (a THeader with that transform); a
server also takes any: a THeader transport that finds out what its client speaks.
PROTOCOL is binary, unversioned (binary, not strict), accelerated, compact or
compact_accelerated; a THeader has binary or compact, and picks the code by itself.

A server prints its port, then a line for each call of after and note. echo and item
refuse the data or name "refuse" and break at "fail"; after with a negative time waits
until somebody notes "open".

A client reads steps from its standard input, one object of JSON a line:

    {"on": 1, "call": "echo", "data": BASE64}
    {"on": 2, "call": "after", "data": BASE64, "ms": 5}
    {"on": 1, "call": "item", "item": {...}}
    {"on": 1, "call": "note", "text": "..."}
    {"on": 1, "ahead": [STEP, ...]}       # all are sent before the first is received
    {"on": 1, "call": "...", "oneway": true}

and prints an outcome for each call: its "on" and "call", and "data", "item",
"refused", "exception" or "broken". Each number of "on" is a connection with a thread.
"""
import base64
import json
import queue
import sys
import threading
import time

from thrift.protocol import TBinaryProtocol, TCompactProtocol
from thrift.protocol.TBase import TBase, TExceptionBase
from thrift.protocol.THeaderProtocol import THeaderProtocol, THeaderProtocolFactory
from thrift.server import TServer
from thrift.Thrift import TApplicationException, TMessageType, TType
from thrift.transport import TSocket, TTransport
from thrift.transport.THeaderTransport import THeaderClientType, THeaderSubprotocolID, THeaderTransformID


def struct(name, *fields, base=TBase):
    """Makes a class from (id, type, name, details) fields, as generated code has."""
    spec = [None] * (max([f[0] for f in fields], default=-1) + 1)
    for number, kind, field, details in fields:
        spec[number] = (number, kind, field, details, None)

    def init(self, **values):
        for _, _, field, _ in fields:
            setattr(self, field, values.get(field))

    return type(name, (base,), {"thrift_spec": tuple(spec), "__init__": init,
                                "__slots__": [f[2] for f in fields]})


TEXT = (TType.STRING, "UTF8")
Refused = struct("Refused", (1, TType.STRING, "reason", "UTF8"), (2, TType.I64, "retry_after_ms", None),
                 base=TExceptionBase)
Item = struct("Item",
              (1, TType.STRING, "name", "UTF8"), (2, TType.I64, "number", None),
              (3, TType.STRING, "data", "BINARY"), (4, TType.MAP, "labels", (*TEXT, *TEXT, False)),
              (5, TType.LIST, "notes", (*TEXT, False)), (6, TType.DOUBLE, "weight", None),
              (7, TType.BOOL, "flag", None))

DATA = (1, TType.STRING, "data", "BINARY")
ITEM = (1, TType.STRUCT, "item", [Item, Item.thrift_spec])
REFUSED = (1, TType.STRUCT, "refused", [Refused, Refused.thrift_spec])
ANSWER = (0, TType.STRING, "success", "BINARY")
NOTHING = struct("nothing")
METHODS = {  # name: (arguments, result); a oneway has no result
    "ping": (NOTHING, NOTHING),
    "echo": (struct("echo_args", DATA), struct("echo_result", ANSWER, REFUSED)),
    "item": (struct("item_args", ITEM),
             struct("item_result", (0, TType.STRUCT, "success", [Item, Item.thrift_spec]), REFUSED)),
    "after": (struct("after_args", DATA, (2, TType.I64, "ms", None)), struct("after_result", ANSWER)),
    "note": (struct("note_args", (1, TType.STRING, "text", "UTF8")), None),
}


# Both ends.

def wrap(trans, transport):
    """Puts the transport around an open or unopened one."""
    if transport == "framed":
        return TTransport.TFramedTransport(trans)
    return TTransport.TBufferedTransport(trans)


EVERY_CLIENT = (THeaderClientType.HEADERS, THeaderClientType.FRAMED_BINARY, THeaderClientType.UNFRAMED_BINARY,
                THeaderClientType.FRAMED_COMPACT, THeaderClientType.UNFRAMED_COMPACT)


def speak(trans, transport, protocol):
    """Makes the protocol over a wrapped transport."""
    if transport in ("header", "zlib", "any"):
        inner = {"binary": THeaderSubprotocolID.BINARY, "compact": THeaderSubprotocolID.COMPACT}[protocol]
        wire = THeaderProtocol(trans, EVERY_CLIENT if transport == "any" else EVERY_CLIENT[:1], inner)
        if transport == "zlib":
            wire.add_transform(THeaderTransformID.ZLIB)
        return wire
    return {
        "binary": lambda: TBinaryProtocol.TBinaryProtocol(trans, True, True),
        "unversioned": lambda: TBinaryProtocol.TBinaryProtocol(trans, False, False),
        "accelerated": lambda: TBinaryProtocol.TBinaryProtocolAccelerated(trans, fallback=False),
        "compact": lambda: TCompactProtocol.TCompactProtocol(trans),
        "compact_accelerated": lambda: TCompactProtocol.TCompactProtocolAccelerated(trans, fallback=False),
    }[protocol]()


def put(wire, name, kind, seq, body):
    """Sends one message."""
    wire.writeMessageBegin(name, kind, seq)
    body.write(wire)
    wire.writeMessageEnd()
    wire.trans.flush()


# The server.

class Factory(THeaderProtocolFactory):
    """For transports as well as protocols. Servers look for this base class, since a
    THeader answers in what its client spoke."""

    def __init__(self, transport, protocol):
        self.transport, self.protocol = transport, protocol

    def getTransport(self, trans):
        return wrap(trans, self.transport)

    def getProtocol(self, trans):
        return speak(trans, self.transport, self.protocol)


class PlainFactory:
    getTransport, getProtocol, __init__ = Factory.getTransport, Factory.getProtocol, Factory.__init__


class Handler:
    def __init__(self):
        self.opened = threading.Event()

    def ping(self):
        return None

    def echo(self, data):
        self.judge(data, b"refuse", b"fail")
        return data

    def item(self, item):
        self.judge(item.name, "refuse", "fail")
        return item

    def judge(self, given, refuse, fail):
        if given == refuse:
            raise Refused(reason="not tödäy", retry_after_ms=1500)
        if given == fail:
            raise ValueError("no disk")

    def after(self, data, ms):
        print("after", ms, flush=True)
        if ms >= 0:
            time.sleep(ms / 1000)
        elif not self.opened.wait(20):
            raise ValueError("nobody noted open")
        return data

    def note(self, text):
        print("note", text, flush=True)
        if text == "open":
            self.opened.set()


class Processor:
    """What the compiler generates for a service."""

    def __init__(self, handler):
        self.handler = handler

    def process(self, iprot, oprot):
        name, _, seq = iprot.readMessageBegin()
        if name not in METHODS:
            iprot.skip(TType.STRUCT)
            iprot.readMessageEnd()
            return put(oprot, name, TMessageType.EXCEPTION, seq, TApplicationException(
                TApplicationException.UNKNOWN_METHOD, "Unknown function %s" % name))
        args_class, result_class = METHODS[name]
        args = args_class()
        args.read(iprot)
        iprot.readMessageEnd()
        kind, result = TMessageType.REPLY, (result_class or NOTHING)()
        try:
            value = getattr(self.handler, name)(*[getattr(args, field) for field in args.__slots__])
            if value is not None:
                result.success = value
        except Refused as refused:
            result.refused = refused
        except TTransport.TTransportException:
            raise
        except Exception:
            kind = TMessageType.EXCEPTION
            result = TApplicationException(TApplicationException.INTERNAL_ERROR, "Internal error")
        if result_class:
            put(oprot, name, kind, seq, result)


class Listener(TSocket.TServerSocket):
    """Takes a free port and prints it."""

    def listen(self):
        TSocket.TServerSocket.listen(self)
        print(self.handle.getsockname()[1], flush=True)


def server(kind, transport, protocol):
    servers = {"simple": TServer.TSimpleServer, "threaded": TServer.TThreadedServer,
               "pool": TServer.TThreadPoolServer}
    factory = (Factory if transport in ("header", "zlib", "any") else PlainFactory)(transport, protocol)
    extra = {} if kind == "simple" else {"daemon": True}
    servers[kind](Processor(Handler()), Listener(host="127.0.0.1", port=0), factory, factory, **extra).serve()


# The client.

class Connection(threading.Thread):
    """Takes the steps put to it, in order, on a connection of its own."""

    lock = threading.Lock()  # of the standard output

    def __init__(self, on, port, transport, protocol):
        super().__init__()
        self.on, self.steps, self.seq = on, queue.Queue(), 0
        trans = wrap(TSocket.TSocket("127.0.0.1", int(port)), transport)
        self.wire = speak(trans, transport, protocol)

    def run(self):
        for step in iter(self.steps.get, None):
            calls = step.get("ahead", [step])
            try:
                if not self.wire.trans.isOpen():
                    self.wire.trans.open()
                sent = [(call, self.send(call)) for call in calls]
                for call, seq in sent:
                    self.tell(call, self.receive(call["call"], seq) if seq else {})
            except Exception as x:
                for call in calls:
                    self.tell(call, {"broken": repr(x)})
        self.wire.trans.close()

    def tell(self, call, outcome):
        with self.lock:
            print(json.dumps({"on": self.on, "call": call["call"], **outcome}), flush=True)

    def send(self, call):
        """Returns the sequence id that the answer must have, 0 for none."""
        args_class, result_class = METHODS.get(call["call"], (NOTHING, NOTHING))
        values = {field: call.get(field) for field in args_class.__slots__}
        if "data" in values:
            values["data"] = base64.b64decode(values["data"] or "")
        if "item" in values:
            values["item"] = Item(**{**values["item"], "data": base64.b64decode(values["item"]["data"] or "")})
        oneway = result_class is None or call.get("oneway", False)
        self.seq += 1
        if isinstance(self.wire, THeaderProtocol):
            self.wire.set_header(b"caller", b"python")
        put(self.wire, call["call"], TMessageType.ONEWAY if oneway else TMessageType.CALL, self.seq,
            args_class(**values))
        return 0 if oneway else self.seq

    def receive(self, want, want_seq):
        name, kind, seq = self.wire.readMessageBegin()
        if (name, seq) != (want, want_seq):
            raise ValueError("asked %s %d, answered %s %d" % (want, want_seq, name, seq))
        body = TApplicationException() if kind == TMessageType.EXCEPTION else METHODS[name][1]()
        body.read(self.wire)
        self.wire.readMessageEnd()
        if kind == TMessageType.EXCEPTION:
            return {"exception": {"type": body.type, "message": body.message}}
        if getattr(body, "refused", None):
            return {"refused": {field: getattr(body.refused, field) for field in Refused.__slots__}}
        value = getattr(body, "success", None)
        if isinstance(value, bytes):
            return {"data": base64.b64encode(value).decode()}
        if isinstance(value, Item):
            fields = {field: getattr(value, field) for field in Item.__slots__}
            return {"item": {**fields, "data": base64.b64encode(value.data).decode()}}
        return {}


def client(port, transport, protocol):
    connections = {}
    for line in sys.stdin:
        step = json.loads(line)
        on = step.get("on", 0)
        if on not in connections:
            connections[on] = Connection(on, port, transport, protocol)
            connections[on].start()
        connections[on].steps.put(step)
    for connection in connections.values():
        connection.steps.put(None)


if __name__ == "__main__":
    {"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
