package store

import (
	"strconv"
	"strings"
	"time"
)

// dialect is how one database differs from the other.
type dialect struct {
	// numbered: parameters are $1, $2 and so on, and not ?.
	numbered bool
	// lock and skip end a SELECT whose rows the transaction is going to change; skip
	// leaves out those that another one has locked.
	lock, skip string
	// alone is a statement with a number, after which no other transaction gets past
	// the same with that number before this one has ended; "": there is one writer.
	alone string
	// now is the database's clock, in milliseconds since 1970.
	now string
	// rows is how many rows one INSERT writes at most.
	rows int
	// patience bounds a write of what has gathered; 0: nothing does.
	patience time.Duration
	// again tells of a transaction that lost against another one, and may win next time.
	again func(error) bool
	// lost tells of a database that is away or full, and may come back; mend is what
	// to do about it.
	lost func(error) bool
	mend string
}

// sql is query with the dialect's parameters.
func (d *dialect) sql(query string) string {
	if !d.numbered {
		return query
	}
	var b strings.Builder
	b.Grow(len(query) + len(query)/8)
	for n := 1; ; n++ {
		before, after, found := strings.Cut(query, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
		query = after
	}
}

// tuples is n times "(?, …)" with width parameters each, for VALUES.
func tuples(n, width int) string {
	return repeat("("+repeat("?", width)+")", n)
}

// repeat is n times what, with commas.
func repeat(what string, n int) string {
	return strings.TrimSuffix(strings.Repeat(what+", ", n), ", ")
}
