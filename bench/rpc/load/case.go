package load

import (
	"fmt"
	"strings"
)

// Case is a kind of load.
type Case struct {
	// Name is its word on the command line, Title its words in the report.
	Name, Title string
	// Bytes is what each request and each answer carries.
	Bytes int
	// Callers is how many goroutines call.
	Callers int
	// Slow calls the handler that takes a while.
	Slow bool
	// Bulk is how many further goroutines echo BulkBytes all the time. Their
	// calls are counted apart.
	Bulk int
	// Quick tells that the case is a part of the quick run.
	Quick bool
	// Wide tells that our layer's other transports are measured too.
	Wide bool
}

// The sizes of the payloads, in bytes.
const (
	TinyBytes  = 16
	LargeBytes = 200_000
	BulkBytes  = 5_000_000
)

// The names of the cases that targets speak of.
const (
	Tiny1    = "tiny-1"
	Tiny16   = "tiny-16"
	Tiny256  = "tiny-256"
	Tiny4096 = "tiny-4096"
	Large1   = "large-1"
	Large16  = "large-16"
	Huge4    = "huge-4"
	Slow256  = "slow-256"
	Slow4096 = "slow-4096"
	Beside   = "beside"
)

// Cases has every case, in the order of the report's rows.
func Cases() []Case {
	return []Case{
		{Name: Tiny1, Title: "tiny, 1 caller", Bytes: TinyBytes, Callers: 1, Wide: true},
		{Name: Tiny16, Title: "tiny, 16 callers", Bytes: TinyBytes, Callers: 16, Quick: true, Wide: true},
		{Name: Tiny256, Title: "tiny, 256 callers", Bytes: TinyBytes, Callers: 256, Wide: true},
		{Name: Tiny4096, Title: "tiny, 4096 callers", Bytes: TinyBytes, Callers: 4096},
		{Name: Large1, Title: "200 KB, 1 caller", Bytes: LargeBytes, Callers: 1},
		{Name: Large16, Title: "200 KB, 16 callers", Bytes: LargeBytes, Callers: 16, Quick: true, Wide: true},
		{Name: Huge4, Title: "5 MB, 4 callers", Bytes: BulkBytes, Callers: 4},
		{Name: Slow256, Title: "tiny, 5 ms handler, 256 callers", Bytes: TinyBytes, Callers: 256, Slow: true, Quick: true},
		{Name: Slow4096, Title: "tiny, 5 ms handler, 4096 callers", Bytes: TinyBytes, Callers: 4096, Slow: true},
		{Name: Beside, Title: "tiny, 1 caller, beside 2 × 5 MB", Bytes: TinyBytes, Callers: 1, Bulk: 2, Quick: true},
	}
}

// FindCase is the case of that name. Errors: there is none.
func FindCase(name string) (Case, error) {
	for _, c := range Cases() {
		if c.Name == name {
			return c, nil
		}
	}
	var names []string
	for _, c := range Cases() {
		names = append(names, c.Name)
	}
	return Case{}, fmt.Errorf("there is no case %q; there are %s", name, strings.Join(names, ", "))
}
