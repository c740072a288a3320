package policy

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"spillway/job"
)

// makers has every policy by its name.
var makers = map[string]func() Policy{
	"random":  newRandom,
	"balance": newBalance,
}

// Names are the policies that there are, sorted.
func Names() []string { return slices.Sorted(maps.Keys(makers)) }

// New makes a policy that knows no node yet. Errors: InvalidArgument.
func New(name string) (Policy, error) {
	maker, ok := makers[name]
	if !ok {
		return nil, job.E(job.InvalidArgument, fmt.Sprintf("policy %q", name),
			errors.New("no such policy"), "use one of "+strings.Join(Names(), ", "))
	}
	return maker(), nil
}
