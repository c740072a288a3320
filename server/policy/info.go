package policy

import (
	"strings"

	"spillway/params"
)

// Info describes a policy to who chooses one.
type Info struct {
	Name    string
	Summary string // one line
	Params  []Param
}

// Param is a parameter of a policy, of its own or one that all but the baselines have.
type Param struct {
	Name    string
	Default string
	Summary string // one line, with the unit
}

// Infos describe all policies, by name.
func Infos() (all []Info) {
	for _, name := range Names() {
		p, m := &params.List{}, makers[name]
		r := Rule{Policy: m.make(p)}
		if !r.Traits().Baseline {
			r.readOptions(p, m.hedge())
		}
		info := Info{Name: name, Summary: m.summary}
		for _, line := range p.Infos() { // NAME=DEFAULT: summary
			head, summary, _ := strings.Cut(line, ": ")
			param, unless, _ := strings.Cut(head, "=")
			info.Params = append(info.Params, Param{Name: param, Default: unless, Summary: summary})
		}
		all = append(all, info)
	}
	return all
}
