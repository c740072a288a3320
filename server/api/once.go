package api

import (
	"bytes"
	"container/list"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"spillway/job"
)

// keyHeader names a call, so that sending it again does nothing twice.
const keyHeader = "Idempotency-Key"

// The bounds of what is remembered of calls with a key.
const (
	onceLife    = 24 * time.Hour
	onceCalls   = 10_000
	onceTotal   = 16 << 20 // bytes of all answers
	onceAnswer  = 64 << 10 // bytes of one; a longer one is not remembered
	onceRequest = 1 << 20  // bytes of a call's body
)

// once remembers the answers to calls that have an Idempotency-Key, the latest ones, in
// memory. It may be used concurrently.
type once struct {
	secret [32]byte // without it, nothing can be guessed from the marks: bodies hold passwords

	mu    sync.Mutex
	calls map[onceKey]*list.Element // of *onceCall
	order *list.List                // the oldest first
	bytes int
}

// onceKey is whose key it is.
type onceKey struct{ user, key string }

// onceCall is one call that was made, or is being made.
type onceCall struct {
	onceKey
	mark   [sha256.Size]byte // of what was asked
	begun  time.Time
	answer *onceReply // nil: it runs
}

// onceReply is an answer to be given again.
type onceReply struct {
	status int
	header http.Header
	body   []byte
}

func newOnce() *once {
	o := &once{calls: map[onceKey]*list.Element{}, order: list.New()}
	_, _ = rand.Read(o.secret[:]) // it never fails
	return o
}

// begin notes that a call with that key and mark is made at now. Where one was made, it
// is not to be made again: reply is its answer. Errors: AlreadyExists (the key was another
// call's), ResourceExhausted (the first one still runs).
func (o *once) begin(k onceKey, mark [sha256.Size]byte, now time.Time) (reply *onceReply, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for e := o.order.Front(); e != nil && now.Sub(e.Value.(*onceCall).begun) > onceLife; e = o.order.Front() {
		o.drop(e)
	}
	if e, ok := o.calls[k]; ok {
		c := e.Value.(*onceCall)
		switch {
		case c.mark != mark:
			return nil, otherCall()
		case c.answer == nil:
			p := newProblem(http.StatusConflict, job.ResourceExhausted, "the first call with this "+keyHeader+" still runs", "send it again in a second: it gets the same answer")
			p.retryAfter = retryDefault
			return nil, p
		}
		return c.answer, nil
	}
	o.calls[k] = o.order.PushBack(&onceCall{onceKey: k, mark: mark, begun: now})
	o.trim()
	return nil, nil
}

// end notes the answer to the call that has begun with k; nil: it may be made again.
func (o *once) end(k onceKey, answer *onceReply) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e, ok := o.calls[k]
	if !ok {
		return // it ran for longer than keys live
	}
	if answer == nil {
		o.drop(e)
		return
	}
	e.Value.(*onceCall).answer = answer
	o.bytes += len(answer.body)
	o.trim()
}

// trim forgets the oldest calls that have ended, while there are too many; mu is held.
func (o *once) trim() {
	for e := o.order.Front(); e != nil && (o.order.Len() > onceCalls || o.bytes > onceTotal); {
		next := e.Next()
		if e.Value.(*onceCall).answer != nil {
			o.drop(e)
		}
		e = next
	}
}

// drop forgets a call; mu is held.
func (o *once) drop(e *list.Element) {
	c := e.Value.(*onceCall)
	if c.answer != nil {
		o.bytes -= len(c.answer.body)
	}
	delete(o.calls, c.onceKey)
	o.order.Remove(e)
}

// leave forgets the calls of a user who is no more; who gets the name later is another.
func (o *once) leave(user string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for k, e := range o.calls {
		if k.user == user && e.Value.(*onceCall).answer != nil {
			o.drop(e)
		}
	}
}

// markOf tells calls apart that have the same key.
func (o *once) markOf(r *http.Request, body []byte) (mark [sha256.Size]byte) {
	mac := hmac.New(sha256.New, o.secret[:])
	fmt.Fprintf(mac, "%s\x00%s\x00%s\x00", r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"))
	mac.Write(body)
	mac.Sum(mark[:0])
	return mark
}

// otherCall is the error for a key that was used before, for something else.
func otherCall() error {
	return job.E(job.AlreadyExists, keyHeader, errors.New("it was used before, for another call"), "make a new key for each call; send the same key only with the very same body")
}

// checkKey reports what cannot be a key. Errors: InvalidArgument.
func checkKey(key string) error {
	ok := key != "" && len(key) <= 255
	for _, c := range []byte(key) {
		ok = ok && c >= ' ' && c <= '~'
	}
	if !ok {
		return job.E(job.InvalidArgument, keyHeader, errors.New("it is no key"), "use 1 to 255 printable characters, such as a UUID")
	}
	return nil
}

// keyed reports whether calls of pattern are remembered by their key. The key of POST
// /jobs is in the job's id instead, a login is nobody's yet, and uploads are not read
// twice: those of files go on where they broke.
func keyed(pattern string) bool {
	method, path, _ := strings.Cut(pattern, " ")
	switch path {
	case "/jobs", "/login", "/music", "/images":
		return false
	}
	return method == http.MethodPost && !strings.HasPrefix(path, "/files/")
}

// keyParam describes the header.
func keyParam() *huma.Param {
	return &huma.Param{
		Name: keyHeader, In: "header", Schema: &huma.Schema{Type: huma.TypeString},
		Description: "the same call again with the same key does nothing, and gets the same answer for 24 hours",
	}
}

// answerOnce has next answer r, which has a key, unless it was answered before.
func (a *API) answerOnce(w http.ResponseWriter, r *http.Request, pattern string, next http.Handler) error {
	keys := r.Header.Values(keyHeader)
	if len(keys) != 1 {
		return job.E(job.InvalidArgument, keyHeader, errors.New("there is more than one"), "send one")
	}
	if err := checkKey(keys[0]); err != nil {
		return err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, onceRequest))
	if err != nil {
		return badBody(w, err, "the call", fmt.Sprintf("a call with a key takes at most %d bytes", onceRequest))
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	k := onceKey{principal(r.Context()).User, keys[0]}
	reply, err := a.once.begin(k, a.once.markOf(r, body), time.Now())
	if err != nil {
		return err
	}
	if reply != nil {
		w.Header().Set("Idempotency-Replayed", "true")
		reply.write(w)
		return nil
	}
	kept := &keeping{ResponseWriter: w}
	var answer *onceReply // none after a panic
	defer func() { a.once.end(k, answer) }()
	next.ServeHTTP(kept, r)
	answer = kept.reply(pattern)
	return nil
}

func (o *onceReply) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), o.header)
	w.WriteHeader(o.status)
	_, _ = w.Write(o.body) // the caller has left: there is nobody to tell
}

// keeping keeps what is answered.
type keeping struct {
	http.ResponseWriter
	onceReply
}

// WriteHeader implements http.ResponseWriter.
func (k *keeping) WriteHeader(status int) {
	if k.status == 0 && status >= http.StatusOK {
		k.status, k.header = status, http.Header{}
		for _, name := range []string{"Content-Type", "Location"} {
			if v, ok := k.Header()[name]; ok {
				k.header[name] = v
			}
		}
	}
	k.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (k *keeping) Write(b []byte) (int, error) {
	if k.status == 0 {
		k.WriteHeader(http.StatusOK)
	}
	if len(k.body) <= onceAnswer {
		k.body = append(k.body, b[:min(len(b), onceAnswer+1-len(k.body))]...)
	}
	return k.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController see the writer below.
func (k *keeping) Unwrap() http.ResponseWriter { return k.ResponseWriter }

// reply is what is to be answered again; nil: the call may be made again, since it came
// to nothing, or its answer is too long to be kept.
func (k *keeping) reply(pattern string) *onceReply {
	switch {
	case k.status == 0, k.status >= statusClientGone, len(k.body) > onceAnswer,
		k.status == http.StatusTooManyRequests, k.status == http.StatusRequestTimeout:
		return nil
	case pattern == "POST /tokens" && k.status < http.StatusBadRequest:
		return shownOnce()
	}
	return &k.onceReply
}

// shownOnce stands for the answer with a token, which is kept by its holder alone.
func shownOnce() *onceReply {
	p := newProblem(http.StatusConflict, job.AlreadyExists, "the token was made, and is shown once", "for another one, send a new "+keyHeader)
	k := &keeping{ResponseWriter: &statusCatcher{header: http.Header{}}}
	p.write(k)
	return &k.onceReply
}
