// Package params reads parameters written as NAME=VALUE,…, as in the policy
// "prequal:q=0.6,pool=16".
package params

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// List is parameters as they were written. Who has parameters asks for each of them;
// what nobody asked for is an error.
type List struct {
	given map[string]string
	asked []string
	infos []string
	err   error // the first
}

// Cut reads a word such as NAME or NAME:PARAMETER=VALUE,… A colon with nothing behind it
// is an error of the list.
func Cut(word string) (name string, p *List) {
	name, list, colon := strings.Cut(word, ":")
	p = Parse(list)
	if colon && list == "" {
		p.fail("nothing stands behind the colon")
	}
	return name, p
}

// Parse reads NAME=VALUE,… What is wrong with it, Finish tells: the parameters are to be
// asked for all the same, so that Hint knows them.
func Parse(list string) *List {
	p := &List{given: map[string]string{}}
	if list == "" {
		return p
	}
	for part := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok || name == "" {
			p.fail("%.40q is not PARAMETER=VALUE", part)
			continue
		}
		if _, twice := p.given[name]; twice {
			p.fail("the parameter %.40s is given twice", name)
		}
		p.given[name] = value
	}
	return p
}

// ask notes that a parameter exists, and returns what was written.
func (p *List) ask(name, unless, summary string) (string, bool) {
	p.asked = append(p.asked, name)
	p.infos = append(p.infos, fmt.Sprintf("%s=%s: %s", name, unless, summary))
	v, ok := p.given[name]
	return v, ok
}

func (p *List) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

// Float is a number from low to high.
func (p *List) Float(name string, unless, low, high float64, summary string) float64 {
	s, ok := p.ask(name, strconv.FormatFloat(unless, 'g', -1, 64), summary)
	if !ok {
		return unless
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v >= low && v <= high) {
		p.fail("%s=%.20s is no number from %g to %g", name, s, low, high)
		return unless
	}
	return v
}

// Int is a whole number from low to high.
func (p *List) Int(name string, unless, low, high int, summary string) int {
	s, ok := p.ask(name, strconv.Itoa(unless), summary)
	if !ok {
		return unless
	}
	v, err := strconv.Atoi(s)
	if err != nil || v < low || v > high {
		p.fail("%s=%.20s is no whole number from %d to %d", name, s, low, high)
		return unless
	}
	return v
}

// Duration is a time from low to high.
func (p *List) Duration(name string, unless, low, high time.Duration, summary string) time.Duration {
	s, ok := p.ask(name, unless.String(), summary)
	if !ok {
		return unless
	}
	v, err := time.ParseDuration(s)
	if err != nil || v < low || v > high {
		p.fail("%s=%.20s is no time from %v to %v", name, s, low, high)
		return unless
	}
	return v
}

// Bool is on or off.
func (p *List) Bool(name string, unless bool, summary string) bool {
	word := map[bool]string{true: "on", false: "off"}
	s, ok := p.ask(name, word[unless], summary)
	switch {
	case !ok:
		return unless
	case s != "on" && s != "off":
		p.fail("%s=%.20s is neither on nor off", name, s)
	}
	return s == "on"
}

// Check notes what is wrong with several parameters together, unless they are ok.
func (p *List) Check(ok bool, format string, args ...any) {
	if !ok {
		p.fail(format, args...)
	}
}

// Finish is the first error, of the writing or of a value, or that of a parameter that nobody asked for.
func (p *List) Finish() error {
	if p.err != nil {
		return p.err
	}
	for name := range p.given {
		if !slices.Contains(p.asked, name) {
			return fmt.Errorf("it has no parameter %.40q", name)
		}
	}
	return nil
}

// Infos says in a line each what was asked for: NAME=DEFAULT: summary.
func (p *List) Infos() []string { return p.infos }

// Hint says which parameters there are to whom they belong; it is for after all of them
// were asked for.
func (p *List) Hint(owner string) string {
	if len(p.asked) == 0 {
		return "write " + owner + " alone: it has no parameters"
	}
	return fmt.Sprintf("write %s:%s=VALUE; its parameters are %s", owner, p.asked[0], strings.Join(p.asked, ", "))
}
