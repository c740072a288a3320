package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"spillway/job"
	"spillway/machine"
	"spillway/rpc"
)

const nodeUsage = `client node works with one compute node and its own files, which live as long as the node.

  client node NAME                     the node in full, with the end of its log; --lines N
  client node NAME view                what it works on now
  client node NAME put FILE...         send files to it; one that broke off goes on
  client node NAME get FILE [TO]       fetch a file, to the folder or file TO; one that broke off goes on
  client node NAME ls                  its files
  client node NAME metadata FILE       a video's frame rate, duration, size
  client node NAME extract FILE        a video's pictures, as <video_id>.<frame>.png; --rate R, --from S, --duration D
  client node NAME create OUT FILE...  the video OUT.mp4 of pictures; --rate R, --duration D, --audio FILE
  client node NAME face FILE           the 68 points of the first face of a picture
  client node NAME mesh FILE           a copy of the picture with the mesh of the first face, mesh-FILE
  client node NAME delete FILE...      remove files
  client node NAME delete-all          remove all of its files

NAME is that of client nodes or of machine.txt, or the HOST:PORT of a node.

Examples:
  client node node_0 put clip.avi
  client node node_0 extract clip.avi --rate 5 --from 10s --duration 2s
  client node node_0 mesh clip.51.png && client node node_0 get mesh-clip.51.png
  client node node_0 create mesh.mp4 mesh-clip.51.png mesh-clip.52.png --rate 5

Flags:
`

// nodeConfig is what client node is asked for.
type nodeConfig struct {
	command  string // "": the node itself
	args     []string
	rate     string
	from     time.Duration
	duration time.Duration
	audio    string
}

// newNodeFlags describes the flags of client node NAME COMMAND.
func newNodeFlags(flags *pflag.FlagSet, c *nodeConfig) {
	flags.StringVar(&c.rate, "rate", "", "node: pictures a second, as in 25, 29.97 or 30000/1001 (default: extract every frame; create 25)")
	flags.DurationVar(&c.from, "from", 0, "node: where to begin to extract, as in 1m30s")
	flags.DurationVar(&c.duration, "duration", 0, "node: how much to extract or create, as in 10s (default: all)")
	flags.StringVar(&c.audio, "audio", "", "node: a `file` of the node whose sound goes with the video that is created")
}

// fileCommand is one command on the files of a node.
type fileCommand struct {
	least, most int // arguments; most < 0: any number
	wants       string
	flags       []string
	do          func(s *session, ctx context.Context, node *rpc.NodeConn) error
}

// fileCommands are those of client node NAME.
func fileCommands() map[string]fileCommand {
	return map[string]fileCommand{
		"view":       {do: (*session).nodeView},
		"put":        {least: 1, most: -1, wants: "FILE...", do: (*session).nodePut},
		"get":        {least: 1, most: 2, wants: "FILE [TO]", do: (*session).nodeGet},
		"ls":         {do: (*session).nodeList},
		"metadata":   {least: 1, most: 1, wants: "FILE", do: (*session).nodeMetadata},
		"extract":    {least: 1, most: 1, wants: "FILE", flags: []string{"rate", "from", "duration"}, do: (*session).nodeExtract},
		"create":     {least: 2, most: -1, wants: "OUT FILE...", flags: []string{"rate", "duration", "audio"}, do: (*session).nodeCreate},
		"face":       {least: 1, most: 1, wants: "FILE", do: (*session).nodeFace},
		"mesh":       {least: 1, most: 1, wants: "FILE", do: (*session).nodeMesh},
		"delete":     {least: 1, most: -1, wants: "FILE...", do: (*session).nodeDelete},
		"delete-all": {do: (*session).nodeDeleteAll},
	}
}

// check sees that the command exists, and that its arguments and flags go with it.
// Errors: InvalidArgument.
func (c nodeConfig) check(flags *pflag.FlagSet) error {
	see := func(why string) error {
		return job.E(job.InvalidArgument, "", errors.New(why), "client node --help shows its commands")
	}
	command, ok := fileCommands()[c.command]
	switch n := len(c.args); {
	case c.command == "":
	case !ok:
		return see(fmt.Sprintf("client node has no command %.80q", c.command))
	case n < command.least:
		return see("client node NAME " + c.command + " wants " + command.wants)
	case command.most >= 0 && n > command.most:
		return see(fmt.Sprintf("%.80q is one argument too many", c.args[command.most]))
	}
	for _, name := range []string{"rate", "from", "duration", "audio"} {
		if flags.Changed(name) && !slices.Contains(command.flags, name) {
			return see("--" + name + " does not go with that")
		}
	}
	if c.from < 0 || c.duration < 0 {
		return see("--from and --duration count from the video's beginning, and cannot be negative")
	}
	if _, err := c.wantedRate(); err != nil {
		return see("--rate: " + err.Error())
	}
	return nil
}

// wantedRate is --rate; zero where it is not given.
func (c nodeConfig) wantedRate() (job.Rate, error) {
	if c.rate == "" {
		return job.Rate{}, nil
	}
	return job.ParseRate(c.rate)
}

// nodeFiles runs a command on the files of a node.
func (s *session) nodeFiles(ctx context.Context) error {
	addr, id, err := s.nodeAddr(ctx, s.cfg.arg)
	if err != nil {
		return err
	}
	s.out.note = "" // what goes wrong now is between us and the node
	node := rpc.NewNodeConn(addr, rpc.NodeConnConfig{TLS: s.cfg.tls, Node: id})
	defer node.Close()
	return fileCommands()[s.cfg.node.command].do(s, ctx, node)
}

// nodeAddr finds a node by its name, which the server knows, or else machine.txt, or by
// its own address. Errors: NotFound, Unavailable.
func (s *session) nodeAddr(ctx context.Context, name string) (addr string, id job.NodeID, err error) {
	if host, port, err := net.SplitHostPort(name); err == nil && host != "" && port != "" {
		return name, "", nil
	}
	n, err := s.findNode(ctx, name)
	if err == nil {
		return n.Addr, n.ID, nil
	}
	if pool, unread := machine.Read(s.cfg.machines); unread == nil {
		if m, ok := pool.Find(name); ok && slices.Contains(pool.Nodes(), m) {
			return m.Addr, job.NodeID(name), nil
		}
	}
	return "", "", err
}

func (s *session) nodePut(ctx context.Context, node *rpc.NodeConn) error {
	for _, path := range s.cfg.node.args {
		name := filepath.Base(path)
		p := s.newTransferProgress(name)
		size, err := upload{files: node, show: p.show}.run(ctx, path, name)
		p.close()
		if err != nil {
			return err
		}
		if err := s.tell(fileView{Name: name, Size: size}, "%s: %d bytes", job.Shown(name), size); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) nodeGet(ctx context.Context, node *rpc.NodeConn) error {
	name, to := s.cfg.node.args[0], s.cfg.node.args[0]
	if err := job.CheckFileName(name); err != nil {
		return err
	}
	if len(s.cfg.node.args) > 1 {
		to = s.cfg.node.args[1]
		if info, err := os.Stat(to); err == nil && info.IsDir() {
			to = filepath.Join(to, name)
		}
	}
	p := s.newTransferProgress(name)
	size, err := download{files: node, show: p.show}.run(ctx, name, to)
	p.close()
	if err != nil {
		return err
	}
	return s.tell(fileView{Name: name, Size: size, Path: to}, "%s: %d bytes", job.Shown(to), size)
}

func (s *session) nodeDelete(ctx context.Context, node *rpc.NodeConn) error {
	for _, name := range s.cfg.node.args {
		if err := node.Delete(ctx, name); err != nil {
			return err
		}
		if err := s.tell(map[string]string{"deleted": name}, "deleted %s", job.Shown(name)); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) nodeDeleteAll(ctx context.Context, node *rpc.NodeConn) error {
	if err := node.DeleteAll(ctx); err != nil {
		return err
	}
	return s.tell(map[string]bool{"empty": true}, "the node has no files any more")
}

// tell prints an answer: a line for people, or v for programs.
func (s *session) tell(v any, format string, args ...any) error {
	if s.cfg.json {
		return s.printJSON(v)
	}
	fmt.Fprintln(s.out.stdout, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	return nil
}
