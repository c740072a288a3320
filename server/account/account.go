// Package account tells who makes a call of the HTTP API: users with passwords and
// roles, and the tokens that they log in for.
package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"spillway/job"
)

// Store keeps users and tokens. A later call sees what an earlier one did, also
// those of other servers.
type Store interface {
	AddUser(ctx context.Context, u job.User) error
	SetUser(ctx context.Context, u job.User) error
	RemoveUser(ctx context.Context, name string) error
	User(ctx context.Context, name string) (job.User, error)
	Users(ctx context.Context) ([]job.User, error)
	AddToken(ctx context.Context, t job.Token) error
	Token(ctx context.Context, hash [32]byte) (job.Token, job.User, error)
	RemoveToken(ctx context.Context, hash [32]byte) error
	ExpireTokens(ctx context.Context, now time.Time) error
}

// Config of accounts. The zero value takes every default.
type Config struct {
	// Life is how long a token of a login lives. Default 12 h.
	Life time.Duration
	// Cost is that of checking a password. Default [DefaultCost].
	Cost Cost
	// Hashes bounds the passwords that are hashed at once; 32 times as many may wait. Default 2.
	Hashes int
	// Tries is how often logins of a name from one address may fail in a row, and after
	// that once every Pause; of all names together ten times as often. Default 5, and 10 s.
	Tries int
	Pause time.Duration
	// Memory is how long what a token stands for is taken for granted, without a look
	// at the store. What is changed here is known here at once; by it, another server
	// hears late. Default 5 s.
	Memory time.Duration
	// Now tells the time. Default [time.Now].
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&c.Life, 12*time.Hour)
	def(&c.Pause, 10*time.Second)
	def(&c.Memory, 5*time.Second)
	if c.Cost == (Cost{}) {
		c.Cost = DefaultCost()
	}
	if c.Hashes == 0 {
		c.Hashes = 2
	}
	if c.Tries == 0 {
		c.Tries = 5
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// most bounds what is remembered of names, addresses and tokens.
const most = 10_000

// Accounts are the users of a server. All methods may be called concurrently.
type Accounts struct {
	cfg   Config
	store Store
	kiln  kiln
	names *limiter
	from  *limiter
	decoy string // the hash that the password of nobody is checked against
	// changes has one user changed at a time: two who each find the other to be an admin
	// would leave none, and a new password would bring an old role back.
	changes sync.Mutex

	mu     sync.Mutex
	known  map[[32]byte]known
	change int64 // grows whenever known is emptied
}

// known is what a token stands for, and until when it is taken for granted.
type known struct {
	who   job.Principal
	until time.Time
}

// New makes the accounts that s keeps.
func New(cfg Config, s Store) *Accounts {
	cfg = cfg.withDefaults()
	return &Accounts{
		cfg: cfg, store: s, kiln: newKiln(cfg.Hashes),
		names: newLimiter(cfg.Tries, cfg.Pause, most), from: newLimiter(10*cfg.Tries, cfg.Pause/10, most),
		decoy: cfg.Cost.hash(rand.Text()), known: map[[32]byte]known{},
	}
}

// wrong is the one answer to a wrong name and to a wrong password.
func wrong() error {
	return job.E(job.Unauthenticated, "", errors.New("name or password is wrong"), "an admin can give a new password with server user set NAME --password")
}

// tokenPrefix begins every token, so that one that lies about can be told for what it
// is.
const tokenPrefix = "spw_"

// Login checks name and password, which came from an address, and makes a token. The
// same answer, after the same work, tells of a name that there is not and of a
// wrong password.
// Errors: Unauthenticated, ResourceExhausted (too many tries, or logins at once), Unavailable.
func (a *Accounts) Login(ctx context.Context, name, password, from string) (token string, t job.Token, err error) {
	now := a.cfg.Now()
	succeeded, err := a.admit(name, from, now)
	if err != nil {
		return "", job.Token{}, err
	}
	u, err := a.store.User(ctx, name)
	hash := u.Password
	switch {
	case job.CodeOf(err) == job.NotFound:
		hash = a.decoy
	case err != nil:
		return "", job.Token{}, err
	}
	right, checked := false, errHash
	if len(password) > maxPassword {
		password = ""
	}
	if ended := a.kiln.run(ctx, func() { right, checked = matches(hash, password) }); ended != nil {
		if job.CodeOf(ended) == job.ResourceExhausted {
			succeeded() // nothing was tried
		}
		return "", job.Token{}, ended
	}
	switch {
	case checked != nil:
		return "", job.Token{}, checked
	case !right || err != nil:
		return "", job.Token{}, wrong()
	}
	succeeded()
	if err := a.store.ExpireTokens(ctx, now); err != nil {
		return "", job.Token{}, err
	}
	return a.issueTo(ctx, u)
}

// issueTo makes the token of a login of u, unless the user was removed or has another
// password by now: what ended the user's tokens did not know of this one.
// Errors: Unauthenticated, Unavailable.
func (a *Accounts) issueTo(ctx context.Context, u job.User) (token string, t job.Token, err error) {
	token, t, err = a.Issue(ctx, u.Name, "", a.cfg.Life)
	if err == nil {
		var now job.User
		if now, err = a.store.User(ctx, u.Name); err == nil && now.Password == u.Password {
			return token, t, nil
		}
		if ended := a.store.RemoveToken(ctx, t.Hash); ended != nil && job.CodeOf(ended) != job.NotFound {
			return "", job.Token{}, ended
		}
	}
	if err == nil || job.CodeOf(err) == job.NotFound {
		err = wrong()
	}
	return "", job.Token{}, err
}

// admit counts a try of the name from that address, and one of the address; succeeded
// takes both back. Errors: ResourceExhausted.
func (a *Accounts) admit(name, from string, now time.Time) (succeeded func(), err error) {
	sum := sha256.Sum256([]byte(from + " " + name)) // names may be long
	pair := string(sum[:])
	wait := a.from.take(from, now)
	if wait == 0 {
		wait = a.names.take(pair, now)
	}
	if wait > 0 {
		e := job.E(job.ResourceExhausted, "", errors.New("too many logins have failed"), fmt.Sprintf("try again in %v", wait.Round(time.Second)))
		e.RetryAfter = wait
		return nil, e
	}
	return func() { a.names.back(pair, now); a.from.back(from, now) }, nil
}

// Issue makes a token of a user, with a scope, which lives so long.
// Errors: InvalidArgument (scope, life), NotFound (user), Unavailable.
func (a *Accounts) Issue(ctx context.Context, user string, scope job.Scope, life time.Duration) (token string, t job.Token, err error) {
	if err := scope.Check(); err != nil {
		return "", job.Token{}, err
	}
	const year = 366 * 24 * time.Hour
	if life <= 0 || life > year {
		return "", job.Token{}, job.E(job.InvalidArgument, "token", fmt.Errorf("it cannot live for %v", life), "use up to a year")
	}
	now := a.cfg.Now()
	token = tokenPrefix + rand.Text()
	t = job.Token{Hash: sha256.Sum256([]byte(token)), User: user, Scope: scope, Created: now, Expires: now.Add(life)}
	if err := a.store.AddToken(ctx, t); err != nil {
		return "", job.Token{}, err
	}
	return token, t, nil
}

// dead is the one answer to tokens that are none, or none any more.
func dead() error {
	return job.E(job.Unauthenticated, "", errors.New("the token is not valid"), "it may have expired: POST /login gives a new one")
}

// Principal is whose token it is.
// Errors: Unauthenticated (unknown, expired or ended, without telling which), Unavailable.
func (a *Accounts) Principal(ctx context.Context, token string) (job.Principal, error) {
	now := a.cfg.Now()
	hash := sha256.Sum256([]byte(token))
	a.mu.Lock()
	k, ok := a.known[hash]
	change := a.change
	a.mu.Unlock()
	if ok && now.Before(k.until) {
		return k.who, nil
	}
	t, u, err := a.store.Token(ctx, hash)
	switch {
	case job.CodeOf(err) == job.NotFound:
		return job.Principal{}, dead()
	case err != nil:
		return job.Principal{}, err
	case !now.Before(t.Expires):
		return job.Principal{}, dead()
	}
	k = known{who: job.Principal{User: u.Name, Role: u.Role, Scope: t.Scope}, until: now.Add(a.cfg.Memory)}
	if t.Expires.Before(k.until) {
		k.until = t.Expires
	}
	a.remember(hash, k, change)
	return k.who, nil
}

// remember takes what a token stands for as granted, unless something has changed
// since it was looked up.
func (a *Accounts) remember(hash [32]byte, k known, change int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.change != change {
		return
	}
	if len(a.known) >= most {
		clear(a.known)
	}
	a.known[hash] = k
}

// forget takes nothing for granted any more.
func (a *Accounts) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.change++
	clear(a.known)
}

// Logout ends a token. Errors: Unauthenticated (it has ended), Unavailable.
func (a *Accounts) Logout(ctx context.Context, token string) error {
	err := a.store.RemoveToken(ctx, sha256.Sum256([]byte(token)))
	a.forget()
	if job.CodeOf(err) == job.NotFound {
		return dead()
	}
	return err
}
