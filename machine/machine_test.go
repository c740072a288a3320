package machine_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"spillway/job"
	"spillway/machine"
)

func TestParse_ReadsNamesAddressesAndLines(t *testing.T) {
	rows := []struct {
		name, text string
		want       []machine.Machine
	}{
		{"plain", "node_0 127.0.0.1:5001\n", []machine.Machine{{"node_0", "127.0.0.1:5001", 1}}},
		{"default port", "node_0 example.org", []machine.Machine{{"node_0", "example.org:5000", 1}}},
		{"comments, blanks, tabs", "# head\n\n \t\nnode.a\thost # tail\n#end", []machine.Machine{{"node.a", "host:5000", 4}}},
		{"comment glued to the address", "node_0 host:7#tail\n", []machine.Machine{{"node_0", "host:7", 1}}},
		{
			"windows line ends and a byte order mark", "\uFEFFnode_0 a:1\r\nnode_1 b:2\r\n",
			[]machine.Machine{{"node_0", "a:1", 1}, {"node_1", "b:2", 2}},
		},
		{"IPv6", "node_0 [::1]\nnode_1 [2001:DB8::1]:65535", []machine.Machine{{"node_0", "[::1]:5000", 1}, {"node_1", "[2001:db8::1]:65535", 2}}},
		{"same host, other ports", "node_0 h:1\nnode_1 h:2", []machine.Machine{{"node_0", "h:1", 1}, {"node_1", "h:2", 2}}},
		{"a node may share the client's address", "client h\nnode_1 h", []machine.Machine{{"node_1", "h:5000", 2}}},
		{"leading zeros in a port", "node_0 h:0080", []machine.Machine{{"node_0", "h:80", 1}}},
		{"empty", "", nil},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			pool, err := machine.Parse(strings.NewReader(row.text), "machine.txt")
			require.NoError(t, err)
			require.Equal(t, row.want, pool.Nodes())
		})
	}
}

func TestParse_SaysWhichLineIsWrongAndWhatIsWanted(t *testing.T) {
	long := strings.Repeat("x", 5000)
	rows := []struct{ name, text, want string }{
		{"port not a number", "\n\n\n\n\n\nnode_0 h:90x", `machine.txt:7: port "90x" is not a number; want NAME HOST[:PORT]`},
		{"port empty", "node_0 h:", `machine.txt:1: port "" is not a number; want NAME HOST[:PORT]`},
		{"port zero", "node_0 h:0", `machine.txt:1: port 0 is not within 1 to 65535; want NAME HOST[:PORT]`},
		{"port too large", "node_0 h:65536", `machine.txt:1: port 65536 is not within 1 to 65535; want NAME HOST[:PORT]`},
		{"port negative", "node_0 h:-1", `machine.txt:1: port -1 is not within 1 to 65535; want NAME HOST[:PORT]`},
		{"no host", "node_0", `machine.txt:1: "node_0" has no host; want NAME HOST[:PORT]`},
		{"three words", "node_0 h 5001", `machine.txt:1: 3 words where two are wanted; want NAME HOST[:PORT]`},
		{"unknown name", "worker h", `machine.txt:1: name "worker" is none of node*, server*, client; want NAME HOST[:PORT]`},
		{"client with a tail", "client2 h", `machine.txt:1: name "client2" is none of node*, server*, client; want NAME HOST[:PORT]`},
		{"slash in a name", "node/../x h", `machine.txt:1: name "node/../x" has other characters than letters, digits, '_', '-' and '.'; want NAME HOST[:PORT]`},
		{"name too long", "node" + long[:61] + " h", `machine.txt:1: name "nodexxxxxxxxxxxxxxxx"... is longer than 64 bytes; want NAME HOST[:PORT]`},
		{"empty host", "node_0 :5001", `machine.txt:1: host "" is not a name or an address; want NAME HOST[:PORT]`},
		{"strange host", "node_0 a/b:1", `machine.txt:1: host "a/b" is not a name or an address; want NAME HOST[:PORT]`},
		{"not quite IPv4", "node_0 127.0.0.300", `machine.txt:1: host "127.0.0.300" is not an IPv4 address; want NAME HOST[:PORT]`},
		{"bare IPv6", "node_0 ::1", `machine.txt:1: "::1" has more than one colon; write IPv6 in brackets, as in [::1]:5001; want NAME HOST[:PORT]`},
		{"open bracket", "node_0 [::1", `machine.txt:1: "[::1" is not an IPv6 address in brackets; want NAME HOST[:PORT]`},
		{"IPv4 in brackets", "node_0 [1.2.3.4]:5", `machine.txt:1: "[1.2.3.4]:5" is not an IPv6 address in brackets; want NAME HOST[:PORT]`},
		{"rubbish after the bracket", "node_0 [::1]5", `machine.txt:1: "5" follows the bracket; want a colon and a port; want NAME HOST[:PORT]`},
		{"name twice", "node_0 a\n\nnode_0 b", `machine.txt:3: the name node_0 is taken by line 1; want NAME HOST[:PORT]`},
		{"server twice", "server a\nserver b", `machine.txt:2: the name server is taken by line 1; want NAME HOST[:PORT]`},
		{"address twice", "node_0 H:5000\nnode_1 h", `machine.txt:2: the address h:5000 of node_1 is taken by node_0 on line 1; want NAME HOST[:PORT]`},
		{"long line", "node_0 h\nnode_1 " + long, `machine.txt:2: the line is longer than 1024 bytes; want NAME HOST[:PORT]`},
		{"binary", "\x7fELF\x00\x01 \xff\xfe", `machine.txt:1: name "\x7fELF\x00\x01" has other characters than letters, digits, '_', '-' and '.'; want NAME HOST[:PORT]`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			_, err := machine.Parse(strings.NewReader(row.text), "machine.txt")
			require.Error(t, err)
			require.Equal(t, row.want, job.Describe(err))
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
		})
	}
}

func TestParse_ReadsNoMoreThanItsBound(t *testing.T) {
	endless := &comments{}
	_, err := machine.Parse(endless, "machine.txt")
	require.EqualError(t, err, "machine.txt: it is larger than 8 MiB")
	require.Less(t, endless.given, 9<<20)
}

func TestParse_PassesOnABrokenRead(t *testing.T) {
	_, err := machine.Parse(io.MultiReader(strings.NewReader("node_0 h\n"), iotest.ErrReader(errors.New("disk on fire"))), "machine.txt")
	require.EqualError(t, err, "machine.txt: disk on fire")
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func TestPool_FindsMachinesByNameAndKind(t *testing.T) {
	pool, err := machine.Parse(strings.NewReader("client h\nserver s:1\nserver_b s:2\nnode_1 a\nnode_0 b"), "machine.txt")
	require.NoError(t, err)
	require.Equal(t, []machine.Machine{{"server", "s:1", 2}, {"server_b", "s:2", 3}}, pool.Servers())
	require.Equal(t, []machine.Machine{{"node_1", "a:5000", 4}, {"node_0", "b:5000", 5}}, pool.Nodes(), "the order of the file")

	client, ok := pool.Find("client")
	require.True(t, ok)
	require.Equal(t, machine.Machine{Name: "client", Addr: "h:5000", Line: 1}, client)
	_, ok = pool.Find("node_9")
	require.False(t, ok)

	pool.Nodes()[0].Addr = "changed"
	require.Equal(t, "a:5000", pool.Nodes()[0].Addr, "a caller's change stays with the caller")
	_, ok = machine.Pool{}.Find("node_0")
	require.False(t, ok)
}

func TestPool_RequireNodesFailsOnlyWhereThereAreNone(t *testing.T) {
	pool, err := machine.Parse(strings.NewReader("server h"), "machine.txt")
	require.NoError(t, err)
	_, err = pool.RequireNodes()
	require.Equal(t, "machine.txt: it names no node; add a line such as node_0 127.0.0.1:5001 for each compute node", job.Describe(err))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))

	pool, err = machine.Parse(strings.NewReader("node_0 h"), "machine.txt")
	require.NoError(t, err)
	nodes, err := pool.RequireNodes()
	require.NoError(t, err)
	require.Len(t, nodes, 1)
}

func TestRead_SaysWhatIsMissing(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "machine.txt")
	_, err := machine.Read(missing)
	require.Equal(t, missing+": there is no such file; write one, a line NAME HOST[:PORT] for each machine, or name another with --machines", job.Describe(err))
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))

	_, err = machine.Read(t.TempDir())
	require.ErrorContains(t, err, "is a directory")
	require.Equal(t, job.InvalidArgument, job.CodeOf(err))
}

func TestRead_TakesTheFileOfThisRepository(t *testing.T) {
	pool, err := machine.Read("../machine.txt")
	require.NoError(t, err)
	require.Len(t, pool.Nodes(), 4)
	require.Len(t, pool.Servers(), 1)
}

func FuzzParse(f *testing.F) {
	own, err := os.ReadFile("../machine.txt")
	require.NoError(f, err)
	f.Add(string(own))
	f.Add("\uFEFFnode_0 [::1%eth0]:1\r\nserver h#x\nclient :\n")
	f.Add("node_0 h\nnode_0 h\n")
	f.Fuzz(func(t *testing.T, text string) {
		pool, err := machine.Parse(strings.NewReader(text), "m")
		if err != nil {
			require.Equal(t, job.InvalidArgument, job.CodeOf(err))
			require.NotContains(t, job.Describe(err), "\n")
			require.Less(t, len(job.Describe(err)), 1000)
			return
		}
		var again strings.Builder
		for _, m := range append(pool.Servers(), pool.Nodes()...) {
			again.WriteString(m.Name + " " + m.Addr + "\n")
			found, ok := pool.Find(m.Name)
			require.True(t, ok)
			require.Equal(t, m, found)
		}
		second, err := machine.Parse(strings.NewReader(again.String()), "m")
		require.NoError(t, err, "what was read can be read again")
		require.Len(t, second.Nodes(), len(pool.Nodes()))
	})
}

// comments is an endless file of comments.
type comments struct{ given int }

func (c *comments) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = "#\n"[(c.given+i)%2]
	}
	c.given += len(p)
	return len(p), nil
}
