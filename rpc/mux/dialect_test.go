package mux

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// dialects are all that there are.
var dialects = []Dialect{UnframedBinary, FramedBinary, UnframedCompact, FramedCompact, HeaderBinary, HeaderCompact}

// generous is more than any honest message of these tests needs.
var generous = Limits{Bytes: 16 << 20, Elements: 1 << 17}

// apache is the library's own protocol and transport for d, over buf.
func apache(d Dialect, buf *thrift.TMemoryBuffer, strict bool) thrift.TProtocol {
	cfg := &thrift.TConfiguration{TBinaryStrictRead: &strict, TBinaryStrictWrite: &strict}
	if d.compact() {
		cfg.THeaderProtocolID = thrift.THeaderProtocolIDPtrMust(thrift.THeaderProtocolCompact)
	}
	var trans thrift.TTransport = thrift.NewTBufferedTransport(buf, 4096)
	switch d {
	case HeaderBinary, HeaderCompact:
		return thrift.NewTHeaderProtocolConf(buf, cfg)
	case FramedBinary, FramedCompact:
		trans = thrift.NewTFramedTransportConf(buf, cfg)
	}
	if d.compact() {
		return thrift.NewTCompactProtocolConf(trans, cfg)
	}
	return thrift.NewTBinaryProtocolConf(trans, cfg)
}

// apacheWrites is a message as the library writes it.
func apacheWrites(t testing.TB, d Dialect, strict bool, h header, body thrift.TStruct) []byte {
	buf := thrift.NewTMemoryBuffer()
	p := apache(d, buf, strict)
	require.NoError(t, writeStruct(t.Context(), p, h, body))
	require.NoError(t, p.Flush(t.Context()))
	return buf.Bytes()
}

// apacheReads is what the library makes of a message.
func apacheReads(t testing.TB, d Dialect, wire []byte, into thrift.TStruct) header {
	buf := thrift.NewTMemoryBuffer()
	buf.Write(wire)
	p := apache(d, buf, false)
	method, kind, seq, err := p.ReadMessageBegin(t.Context())
	require.NoError(t, err)
	require.NoError(t, into.Read(t.Context(), p))
	return header{method: method, kind: kind, seq: seq}
}

// parcel puts a bare message into the envelope of d.
func parcel(d Dialect, body []byte) []byte {
	wire := append(make([]byte, d.prefix()), body...)
	switch d.prefix() {
	case lengthWord:
		binary.BigEndian.PutUint32(wire, uint32(len(body)))
	case lengthWord + plainHeader:
		writeHeader(wire, len(wire), d, 7)
	}
	return wire
}

// headed puts a header for a call of m with seq 7 before args, the bytes of its
// struct, and all of it into d's envelope.
func headed(d Dialect, args ...byte) []byte {
	head := []byte{0x80, 1, 0, 1, 0, 0, 0, 1, 'm', 0, 0, 0, 7}
	if d.compact() {
		head = []byte{0x82, 0x21, 7, 1, 'm'}
	}
	return parcel(d, append(head, args...))
}

// theader is a THeader frame with these headers, padded, before its payload.
func theader(headers, payload []byte) []byte {
	for len(headers)%4 != 0 {
		headers = append(headers, 0)
	}
	frame := []byte{0x0f, 0xff, 0, 0, 0, 0, 0, 9, 0, byte(len(headers) / 4)}
	return parcel(FramedBinary, append(append(frame, headers...), payload...))
}

func deflated(t testing.TB, b []byte) []byte {
	var buf bytes.Buffer
	w := zlib.NewWriter(&buf)
	_, err := w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

var (
	callHeader  = header{method: "run", kind: thrift.CALL, seq: 77}
	replyHeader = header{method: "job", kind: thrift.REPLY, seq: -2}
)

func aTask() *spillway.ComputeNodeRunArgs {
	return &spillway.ComputeNodeRunArgs{Task: &spillway.Task{
		Job: "job-1", Index: 12, Attempt: 3, BasePath: "/data", FileName: "input_dir/a.jpg", MayReject: true, DeadlineMs: 1 << 40,
		Operation: &spillway.Operation{Name: "edges", Params: map[string]string{"low": "50"}},
	}}
}

func someNodes() *spillway.ServerNodesResult {
	return &spillway.ServerNodesResult{Success: []*spillway.Node{{
		Name: "node_0", State: "idle", Load: &spillway.Load{Slots: 4, Running: -1, MeanUs: 1 << 33},
		Operations: []*spillway.OperationInfo{{Name: "blur", Params: []*spillway.ParamInfo{
			{Name: "size", Min: 0.5, Max: -1e300, Odd: true, Choices: []string{"1", "", "3"}},
		}}},
	}}}
}

// aJob has n failures, about 200 bytes each.
func aJob(n int) *spillway.ServerJobResult {
	j := &spillway.Job{ID: "j", State: "running", Counted: true, Total: int64(n), Spec: &spillway.JobSpec{}, Nodes: []*spillway.Tally{}}
	for i := range n {
		j.Failures = append(j.Failures, &spillway.TaskFailure{
			Name: fmt.Sprintf("input_dir/%06d.jpg", i), Attempts: 3, Nodes: []string{"node_0", "node_1"}, Quarantined: i%2 == 0,
			Failure: &spillway.Failure{Code: "data_loss", Message: strings.Repeat("broken ", 16)},
		})
	}
	return &spillway.ServerJobResult{Success: j}
}

// sample is a message of a kind that programs really send.
type sample struct {
	h     header
	body  thrift.TStruct
	empty func() thrift.TStruct
}

func samples() map[string]sample {
	return map[string]sample{
		"no fields":   {header{"ping", thrift.CALL, 0, false}, &spillway.ComputeNodePingArgs{}, func() thrift.TStruct { return &spillway.ComputeNodePingArgs{} }},
		"task":        {callHeader, aTask(), func() thrift.TStruct { return &spillway.ComputeNodeRunArgs{} }},
		"nodes":       {replyHeader, someNodes(), func() thrift.TStruct { return &spillway.ServerNodesResult{} }},
		"small job":   {replyHeader, aJob(20), func() thrift.TStruct { return &spillway.ServerJobResult{} }},
		"long job":    {replyHeader, aJob(6000), func() thrift.TStruct { return &spillway.ServerJobResult{} }},
		"application": {header{"job", thrift.EXCEPTION, 5, false}, thrift.NewTApplicationException(6, "why"), func() thrift.TStruct { return thrift.NewTApplicationException(0, "") }},
	}
}

// eachDialect runs a test for all of them.
func eachDialect(t *testing.T, test func(t *testing.T, d Dialect)) {
	for _, d := range dialects {
		t.Run(d.String(), func(t *testing.T) { test(t, d) })
	}
}
