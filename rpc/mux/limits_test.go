package mux

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/apache/thrift/lib/go/thrift"
	"github.com/stretchr/testify/require"

	"spillway/gen-go/spillway"
)

// Types as both protocols write them: binary, then compact.
type kind struct{ binary, compact byte }

var (
	kByte   = kind{thrift.BYTE, 3}
	kI16    = kind{thrift.I16, 4}
	kDouble = kind{thrift.DOUBLE, 7}
	kString = kind{thrift.STRING, 8}
	kList   = kind{thrift.LIST, 9}
	kSet    = kind{thrift.SET, 10}
	kMap    = kind{thrift.MAP, 11}
	kStruct = kind{thrift.STRUCT, 12}
	kWrong  = kind{77, 14}
)

// wireWriter makes bytes of the struct in a message, rightly or wrongly.
type wireWriter struct {
	compact bool
	b       []byte
}

func (w *wireWriter) raw(b ...byte) *wireWriter {
	w.b = append(w.b, b...)
	return w
}

func (w *wireWriter) field(k kind) *wireWriter {
	if w.compact {
		return w.raw(0x10 | k.compact)
	}
	return w.raw(k.binary, 0, 1)
}

func (w *wireWriter) count(n uint32) *wireWriter {
	if w.compact {
		w.b = binary.AppendUvarint(w.b, uint64(n))
	} else {
		w.b = binary.BigEndian.AppendUint32(w.b, n)
	}
	return w
}

func (w *wireWriter) list(k kind, n uint32) *wireWriter {
	if w.compact {
		return w.raw(0xf0 | k.compact).count(n)
	}
	return w.raw(k.binary).count(n)
}

func (w *wireWriter) pairs(key, value kind, n uint32) *wireWriter {
	if w.compact {
		return w.count(n).raw(key.compact<<4 | value.compact)
	}
	return w.raw(key.binary, value.binary).count(n)
}

func (w *wireWriter) zeros(n int) *wireWriter { return w.raw(make([]byte, n)...) }

// sized is a number of bytes that depends on the protocol.
func (w *wireWriter) sized(compact, binary int) int {
	if w.compact {
		return compact
	}
	return binary
}

// structs has so many structs within each other; the outermost is the message's.
func (w *wireWriter) structs(depth int) *wireWriter {
	for range depth - 1 {
		w.field(kStruct)
	}
	return w.zeros(depth)
}

// lists has so many lists within each other, and the message's struct around them.
func (w *wireWriter) lists(depth int) *wireWriter {
	w.field(kList)
	for range depth - 2 {
		w.list(kList, 1)
	}
	return w.list(kByte, 1).zeros(1).zeros(1)
}

func TestLimits_AreTheSameForEveryDialect(t *testing.T) {
	lim := Limits{Bytes: 1000, Elements: 10}
	text := func(n int) func(*wireWriter) {
		return func(w *wireWriter) { w.field(kString).count(uint32(n)).zeros(n + 1) }
	}
	for name, row := range map[string]struct {
		args func(w *wireWriter)
		err  error
	}{
		"no fields":          {func(w *wireWriter) { w.zeros(1) }, nil},
		"structs":            {func(w *wireWriter) { w.structs(maxDepth) }, nil},
		"too many structs":   {func(w *wireWriter) { w.structs(maxDepth + 1) }, errTooLarge},
		"elements":           {func(w *wireWriter) { w.field(kList).list(kByte, 10).zeros(11) }, nil},
		"too many elements":  {func(w *wireWriter) { w.field(kList).list(kByte, 11).zeros(12) }, errTooLarge},
		"set":                {func(w *wireWriter) { w.field(kSet).list(kDouble, 10).zeros(81) }, nil},
		"too large a set":    {func(w *wireWriter) { w.field(kSet).list(kDouble, 11).zeros(89) }, errTooLarge},
		"pairs":              {func(w *wireWriter) { w.field(kMap).pairs(kByte, kI16, 10).zeros(w.sized(21, 31)) }, nil},
		"too many pairs":     {func(w *wireWriter) { w.field(kMap).pairs(kByte, kI16, 11).zeros(w.sized(23, 34)) }, errTooLarge},
		"elements together":  {func(w *wireWriter) { w.field(kList).list(kByte, 6).zeros(6).field(kList).list(kByte, 5).zeros(6) }, errTooLarge},
		"empty structs":      {func(w *wireWriter) { w.field(kList).list(kStruct, 10).zeros(11) }, nil},
		"many empty structs": {func(w *wireWriter) { w.field(kList).list(kStruct, 900).zeros(901) }, errTooLarge},
		"text":               {text(900), nil},
		"bytes":              {text(1100), errTooLarge},
		"2 GB text":          {func(w *wireWriter) { w.field(kString).count(1<<31 - 1).zeros(50) }, errTooLarge},
		"negative text":      {func(w *wireWriter) { w.field(kString).count(1<<32 - 1).zeros(50) }, errNotThrift},
		"4 GB text":          {func(w *wireWriter) { w.field(kString).count(1<<32 - 9).zeros(50) }, errNotThrift},
		"negative list":      {func(w *wireWriter) { w.field(kList).list(kStruct, 1<<32-1).zeros(50) }, errNotThrift},
		"negative map":       {func(w *wireWriter) { w.field(kMap).pairs(kByte, kByte, 1<<31).zeros(50) }, errNotThrift},
		"10M pairs":          {func(w *wireWriter) { w.field(kMap).pairs(kString, kString, 10_000_000).zeros(50) }, errTooLarge},
		"16M bools":          {func(w *wireWriter) { w.field(kList).list(kind{thrift.BOOL, 1}, 16<<20).zeros(20) }, errTooLarge},
		"unknown type":       {func(w *wireWriter) { w.field(kWrong).zeros(50) }, errNotThrift},
		"unknown elements":   {func(w *wireWriter) { w.field(kList).list(kWrong, 1).zeros(50) }, errNotThrift},
		"elements of STOP":   {func(w *wireWriter) { w.field(kList).list(kind{}, 2).zeros(50) }, errNotThrift},
	} {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d Dialect) {
				w := &wireWriter{compact: d.compact()}
				row.args(w)
				err := receiveAll(t, lim, headed(d, w.b...))
				if row.err == nil {
					require.NoError(t, err)
					return
				}
				require.Error(t, err)
				if d.prefix() == 0 {
					require.ErrorIs(t, err, row.err)
					requireCaller(t, err, d)
				} else if name != "2 GB text" { // a frame has its end, so there this is a lie
					require.Equal(t, errors.Is(row.err, errTooLarge), errors.Is(err, errTooLarge))
				}
			})
		})
	}
}

// requireCaller: an answer can be sent.
func requireCaller(t *testing.T, err error, d Dialect) {
	var refused *refusedError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, header{"m", thrift.CALL, 7, false}, refused.header)
	require.Equal(t, d, refused.dialect)
}

func TestLimits_BoundContainersThatGeneratedCodeReadsByItself(t *testing.T) {
	for _, depth := range []int{maxDepth, maxDepth + 1} {
		eachDialect(t, func(t *testing.T, d Dialect) {
			w := &wireWriter{compact: d.compact()}
			err := receiveAll(t, generous, headed(d, w.lists(depth).b...))
			if depth <= maxDepth {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, errTooLarge)
			}
		})
	}
	// A list of lists is read without a struct between them.
	for _, d := range []Dialect{FramedBinary, FramedCompact} {
		w := (&wireWriter{compact: d.compact()}).field(kList)
		for range maxDepth {
			w.list(kList, 1)
		}
		w.zeros(9)
		m, err := readerOf(generous, headed(d, w.b...)).next()
		require.NoError(t, err)
		c := openMessage(m, generous, false)
		_, _, _, err = c.in.ReadMessageBegin(t.Context())
		require.NoError(t, err)
		_, err = c.in.ReadStructBegin(t.Context())
		require.NoError(t, err)
		_, _, _, err = c.in.ReadFieldBegin(t.Context())
		require.NoError(t, err)
		for range maxDepth - 1 {
			_, _, err = c.in.ReadListBegin(t.Context())
			require.NoError(t, err)
		}
		_, _, err = c.in.ReadListBegin(t.Context())
		require.ErrorIs(t, err, errTooLarge)
		c.close()
		m.free()
	}
}

func TestLimits_ElementsThatCannotComeAreRefusedBeforeMemoryIsTaken(t *testing.T) {
	for _, d := range []Dialect{FramedBinary, FramedCompact} {
		begin := func(args []byte) thrift.TProtocol {
			m, err := readerOf(generous, headed(d, args...)).next()
			require.NoError(t, err)
			c := openMessage(m, generous, false)
			_, _, _, err = c.in.ReadMessageBegin(t.Context())
			require.NoError(t, err)
			return c.in
		}
		for left, n := range map[int]uint32{8: 9, 16: 17, 100: 101} {
			w := func() *wireWriter { return &wireWriter{compact: d.compact()} }
			for _, k := range []kind{kByte, kStruct} {
				_, _, err := begin(w().list(k, n-1).zeros(left).b).ReadListBegin(t.Context())
				require.NoError(t, err)
				_, _, err = begin(w().list(k, n).zeros(left).b).ReadListBegin(t.Context())
				require.Error(t, err)
				_, _, err = begin(w().list(k, n).zeros(left).b).ReadSetBegin(t.Context())
				require.Error(t, err)
			}
			_, _, err := begin(w().list(kDouble, n/8+1).zeros(left).b).ReadListBegin(t.Context())
			require.Error(t, err)
			_, _, _, err = begin(w().pairs(kByte, kStruct, n/2).zeros(left).b).ReadMapBegin(t.Context())
			require.NoError(t, err)
			_, _, _, err = begin(w().pairs(kByte, kStruct, n/2+1).zeros(left).b).ReadMapBegin(t.Context())
			require.Error(t, err)
		}
	}
}

func TestCodec_ReadsFromTheBeginningAgain(t *testing.T) {
	kBool := kind{thrift.BOOL, 1}
	eachDialect(t, func(t *testing.T, d Dialect) {
		w := &wireWriter{compact: d.compact()}
		w.field(kList).list(kBool, 1).raw(1).field(kBool).zeros(w.sized(0, 1)).zeros(1)
		m, err := readerOf(generous, headed(d, w.b...)).next()
		require.NoError(t, err)
		c := openMessage(m, generous, false)
		defer c.close()
		for range 3 {
			_, _, _, err = c.in.ReadMessageBegin(t.Context())
			require.NoError(t, err)
			_, err = c.in.ReadStructBegin(t.Context())
			require.NoError(t, err)
			_, kind, _, err := c.in.ReadFieldBegin(t.Context())
			require.NoError(t, err)
			require.NoError(t, c.in.Skip(t.Context(), kind))
			_, kind, _, err = c.in.ReadFieldBegin(t.Context())
			require.NoError(t, err)
			require.Equal(t, thrift.TType(thrift.BOOL), kind) // and leaves it there
			require.Equal(t, len(m.body)-w.sized(1, 2), c.bin.off)
		}
	})
}

func TestLimits_EndWithTheirMessage(t *testing.T) {
	eachDialect(t, func(t *testing.T, d Dialect) {
		w := &wireWriter{compact: d.compact()}
		one := headed(d, w.field(kList).list(kByte, 10).zeros(11).b...)
		in := readerOf(Limits{Bytes: 1000, Elements: 10}, bytes.Repeat(one, 5))
		for range 5 {
			m, err := in.next()
			require.NoError(t, err)
			c := openMessage(m, in.lim, false)
			for range 3 { // it may be read again from the beginning
				_, _, _, err = c.in.ReadMessageBegin(t.Context())
				require.NoError(t, err)
				require.NoError(t, c.in.Skip(t.Context(), thrift.STRUCT))
			}
			c.close()
			m.free()
		}
	})
}

// hostile are calls that cost much to take where nothing is checked: 15 MB of
// empty structs and of a list of them, and 64 MB of structs within each other.
func hostile(d Dialect) map[string][]byte {
	mb := 1 << 20
	if underRace() {
		mb = 1 << 15 // all is twenty times slower there
	}
	writer := func() *wireWriter { return &wireWriter{compact: d.compact()} }
	empty := writer().field(kStruct).zeros(1).b
	nest := writer().field(kStruct).b
	return map[string][]byte{
		"empty structs": headed(d, append(bytes.Repeat(empty, 15*mb/len(empty)), 0)...),
		"nesting":       headed(d, bytes.Repeat(nest, 64*mb/len(nest))...),
		"list":          headed(d, writer().field(kList).list(kStruct, uint32(15*mb)).zeros(15*mb).b...),
	}
}

func TestLimits_HostileCallsAreTakenOrRefusedWithoutHarm(t *testing.T) {
	lim := Limits{Bytes: 80 << 20, Elements: 1 << 17}
	eachDialect(t, func(t *testing.T, d Dialect) {
		for name, wire := range hostile(d) {
			m, err := readerOf(lim, wire).next()
			if err == nil {
				c := openMessage(m, lim, false)
				_, _, _, err = c.in.ReadMessageBegin(t.Context())
				require.NoError(t, err)
				err = (&spillway.ComputeNodeRunArgs{}).Read(t.Context(), c.in)
				c.close()
				m.free()
			}
			if name == "empty structs" {
				require.NoError(t, err, "they are few bytes each, and become garbage at once")
			} else {
				require.ErrorIs(t, err, errTooLarge, name)
			}
		}
	})
}
