package workspace

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"spillway/job"
)

// DefaultKeep is how long an input is kept that nobody uses.
const DefaultKeep = 2 * time.Minute

// Input tells a file that several tasks of a job work on. One that has changed is
// another: the tasks that come then fetch it again.
type Input struct {
	Job  job.ID
	File string
	Size int64
	// Modified is when the file was changed last, in microseconds of Unix time; 0: unknown.
	Modified int64
}

// keptFolder is where the inputs lie that are kept.
const keptFolder = "kept"

// kept is an input that is there for every task that wants it, or is being fetched.
type kept struct {
	name    string
	fetched chan struct{} // closed when its fetch is over

	// Guarded by the workspace's mutex.
	whole   bool
	users   int
	unknown bool // nobody finds it any more; it goes with its last user
	used    time.Time
}

// keeper is the inputs that are kept; the workspace's mutex guards it.
type keeper struct {
	of      map[Input]*kept
	last    int64 // number of the latest name
	noLinks bool  // the file system has none
}

// Share puts an input into the workspace as name. The first to ask has fetch bring it,
// under the name that fetch is given; others wait meanwhile, and find it there, and
// waiting is called every ten seconds. Where a fetch fails, the next that waits tries its own.
//
// Until release is called the input stays. Later it goes when its room is needed, the
// least recently used first, when it was not used for [Config.Keep], or with
// [Workspace.Forget]. Errors: those of fetch, of ctx, and Unavailable; then release is nil.
func (w *Workspace) Share(ctx context.Context, in Input, name string, fetch func(name string) error, waiting func()) (release func(), err error) {
	w.mu.Lock()
	alone := w.kept.noLinks
	w.mu.Unlock()
	if alone {
		return func() {}, fetch(name)
	}
	k, err := w.hold(ctx, in, fetch, waiting)
	if err != nil {
		return nil, err
	}
	release = sync.OnceFunc(func() { w.letGo(k) })
	err = w.link(k.name, name)
	if err == nil {
		return release, nil
	}
	release()
	switch {
	case errors.Is(err, fs.ErrNotExist): // the workspace was emptied meanwhile
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOTSUP), errors.Is(err, unix.ENOSYS), errors.Is(err, unix.EMLINK):
		w.log.Warn("inputs are fetched for every task, since the workspace's file system has no hard links", "err", err)
		w.mu.Lock()
		w.kept.noLinks = true
		w.mu.Unlock()
	default:
		return nil, diskTrouble("put "+job.Shown(name), err)
	}
	return func() {}, fetch(name)
}

// hold finds an input that is whole, or fetches it, and counts its user in.
func (w *Workspace) hold(ctx context.Context, in Input, fetch func(name string) error, waiting func()) (*kept, error) {
	for {
		w.mu.Lock()
		k := w.kept.of[in]
		if k == nil {
			k = w.begin(in)
			w.mu.Unlock()
			return k, w.bring(in, k, fetch)
		}
		k.users++
		w.mu.Unlock()
		err := k.wait(ctx, waiting)
		w.mu.Lock()
		whole := k.whole
		w.mu.Unlock()
		if whole && err == nil {
			return k, nil
		}
		if w.letGo(k); err != nil {
			return nil, err
		}
	}
}

// tellEvery is the time between two signs of life of a task that waits.
const tellEvery = 10 * time.Second

// wait returns when the fetch is over, or with ctx's error.
func (k *kept) wait(ctx context.Context, waiting func()) error {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.fetched:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			waiting()
		}
	}
}

// begin notes an input that its first user fetches; mu is held.
func (w *Workspace) begin(in Input) *kept {
	w.kept.last++
	k := &kept{name: path.Join(keptFolder, strconv.FormatInt(w.kept.last, 36)), fetched: make(chan struct{}), users: 1}
	w.kept.of[in] = k
	return k
}

// bring fetches an input. One that did not come whole, even for a panic, is let go.
func (w *Workspace) bring(in Input, k *kept, fetch func(name string) error) error {
	whole := false
	defer func() {
		w.mu.Lock()
		k.whole = whole
		if !whole {
			w.unlist(in, k)
		}
		w.mu.Unlock()
		close(k.fetched)
		if !whole {
			w.letGo(k)
		}
	}()
	if err := fetch(k.name); err != nil {
		return err
	}
	whole = true
	return nil
}

// link gives a file that is kept a second name.
func (w *Workspace) link(from, to string) error {
	if err := checkName(to); err != nil {
		return err
	}
	if err := w.root.MkdirAll(filepath.FromSlash(path.Dir(to)), 0o755); err != nil {
		return err
	}
	return w.root.Link(filepath.FromSlash(from), filepath.FromSlash(to))
}

// letGo counts a user out.
func (w *Workspace) letGo(k *kept) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k.users--
	k.used = time.Now()
	if k.users == 0 && k.unknown {
		w.discard(k)
	}
}

// Forget removes the inputs that are kept for a job; those in use go with their last user.
func (w *Workspace) Forget(id job.ID) {
	w.evict(func(in Input, _ *kept) bool { return in.Job == id })
}

// Shed removes every input that is kept and not in use, and tells how many bytes that
// were: it is for a disk that is full though the quota is not.
func (w *Workspace) Shed() int64 {
	w.mu.Lock()
	before := w.used
	w.mu.Unlock()
	w.evict(func(_ Input, k *kept) bool { return k.users == 0 })
	return before - w.Used()
}

// evict removes the inputs that which says, as Forget does.
func (w *Workspace) evict(which func(Input, *kept) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for in, k := range w.kept.of {
		if !which(in, k) {
			continue
		}
		if w.unlist(in, k); k.users == 0 {
			w.discard(k)
		}
	}
}

// unlist has nobody find an input any more; mu is held.
func (w *Workspace) unlist(in Input, k *kept) {
	if k.unknown = true; w.kept.of[in] == k {
		delete(w.kept.of, in)
	}
}

// discard removes the file of an input; mu is held.
func (w *Workspace) discard(k *kept) {
	if err := w.remove(k.name); err != nil {
		w.log.Warn("input left behind", "file", k.name, "err", err)
	}
}

// makeRoom removes inputs that nobody uses until size bytes fit, or none is left; mu is
// held.
func (w *Workspace) makeRoom(size int64) {
	for size > w.cfg.Quota-w.used {
		var oldest *kept
		var of Input
		for in, k := range w.kept.of {
			if k.users == 0 && (oldest == nil || k.used.Before(oldest.used)) {
				of, oldest = in, k
			}
		}
		if oldest == nil {
			return
		}
		w.unlist(of, oldest)
		w.discard(oldest)
	}
}

// idle is how many bytes of inputs nobody uses; mu is held.
func (w *Workspace) idle() (bytes int64) {
	for _, k := range w.kept.of {
		if k.users == 0 {
			bytes += w.files[k.name]
		}
	}
	return bytes
}

// unused removes the inputs that were used last before then.
func (w *Workspace) unused(then time.Time) {
	w.evict(func(_ Input, k *kept) bool { return k.users == 0 && k.used.Before(then) })
}
