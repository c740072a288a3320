package job

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// DefaultOperation is the assignment's filter. NoOperation reads and writes no
// file, for measuring.
const (
	DefaultOperation = "edges"
	NoOperation      = "none"
)

// VideoPrefix begins the names of the operations that do to every frame of a video what
// an operation on pictures does to a picture: "video:edges".
const VideoPrefix = "video:"

// Operation names what is done to each input, with its parameters as text.
type Operation struct {
	Name   string
	Params map[string]string // nil or empty: every default
}

// ParseOperation reads NAME or NAME:key=value,key=value, as the command line
// gives it: "blur:kernel=7", or with [VideoPrefix] before it. It knows no operation; [OperationInfo.Check] does.
// Errors: InvalidArgument.
func ParseOperation(s string) (Operation, error) {
	if inner, ok := strings.CutPrefix(strings.TrimSpace(s), VideoPrefix); ok {
		op, err := ParseOperation(inner)
		op.Name = VideoPrefix + op.Name
		return op, err
	}
	name, rest, has := strings.Cut(s, ":")
	op := Operation{Name: strings.TrimSpace(name)}
	bad := func(why string) error {
		return E(InvalidArgument, fmt.Sprintf("operation %.80q", s), errors.New(why),
			"write NAME or NAME:key=value,key=value, as in blur:kernel=7")
	}
	if op.Name == "" {
		return Operation{}, bad("it has no name")
	}
	if !has {
		return op, nil
	}
	op.Params = map[string]string{}
	for pair := range strings.SplitSeq(rest, ",") {
		key, value, ok := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		if !ok || key == "" || value == "" {
			return Operation{}, bad(fmt.Sprintf("%.80q is not key=value", pair))
		}
		if _, twice := op.Params[key]; twice {
			return Operation{}, bad(fmt.Sprintf("%.80q is given twice", key))
		}
		op.Params[key] = value
	}
	return op, nil
}

// String gives the form that ParseOperation reads, with sorted keys.
func (o Operation) String() string {
	if len(o.Params) == 0 {
		return o.Name
	}
	parts := make([]string, 0, len(o.Params))
	for _, key := range slices.Sorted(maps.Keys(o.Params)) {
		parts = append(parts, key+"="+o.Params[key])
	}
	return o.Name + ":" + strings.Join(parts, ",")
}

// Equal reports whether both name the same thing.
func (o Operation) Equal(other Operation) bool {
	return o.Name == other.Name && maps.Equal(o.Params, other.Params)
}

// OperationInfo describes an operation that a node offers.
type OperationInfo struct {
	Name    string
	Summary string // one line
	Params  []ParamInfo
}

// ParamKind is the type of a parameter.
type ParamKind string

// The kinds of parameters.
const (
	IntParam    ParamKind = "int"
	FloatParam  ParamKind = "float"
	ChoiceParam ParamKind = "choice"
	// NameParam names a file or a folder: one path element, which is not hidden. Its
	// default is empty, for none.
	NameParam ParamKind = "name"
)

// ParamInfo describes one parameter and what it accepts.
type ParamInfo struct {
	Name    string
	Kind    ParamKind
	Default string
	// Min and Max bound numbers, both included. Odd asks for an odd int.
	Min, Max float64
	Odd      bool
	Choices  []string // for ChoiceParam
	Summary  string   // one line, with the unit
}

// Args are the checked parameters of one operation, none missing.
type Args map[string]string

// Int is the value of an int parameter.
func (a Args) Int(name string) int { n, _ := strconv.Atoi(a[name]); return n }

// Float is the value of a float parameter.
func (a Args) Float(name string) float64 { f, _ := strconv.ParseFloat(a[name], 64); return f }

// Check fills the defaults in and checks every parameter.
// Errors: InvalidArgument, naming the parameter and what it accepts.
func (i OperationInfo) Check(op Operation) (Args, error) {
	args := Args{}
	for _, p := range i.Params {
		args[p.Name] = p.Default
	}
	for _, key := range slices.Sorted(maps.Keys(op.Params)) {
		at := slices.IndexFunc(i.Params, func(p ParamInfo) bool { return p.Name == key })
		if at < 0 {
			return nil, E(InvalidArgument, "operation "+i.Name, fmt.Errorf("it has no parameter %q", key), i.usage())
		}
		value, err := i.Params[at].check(op.Params[key])
		if err != nil {
			return nil, E(InvalidArgument, "operation "+i.Name, fmt.Errorf("%s: %w", key, err), i.Params[at].Usage())
		}
		args[key] = value
	}
	return args, nil
}

// check returns value in canonical form.
func (p ParamInfo) check(value string) (string, error) {
	switch p.Kind {
	case ChoiceParam:
		if !slices.Contains(p.Choices, value) {
			return "", fmt.Errorf("%q is not one of its values", value)
		}
		return value, nil
	case NameParam:
		return checkName(value)
	case IntParam:
		n, err := strconv.Atoi(value)
		switch {
		case err != nil:
			return "", fmt.Errorf("%q is not a whole number", value)
		case float64(n) < p.Min || float64(n) > p.Max:
			return "", fmt.Errorf("%d is out of range", n)
		case p.Odd && n%2 == 0:
			return "", fmt.Errorf("%d is even", n)
		}
		return strconv.Itoa(n), nil
	}
	f, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil || f != f:
		return "", fmt.Errorf("%q is not a number", value)
	case f < p.Min || f > p.Max:
		return "", fmt.Errorf("%v is out of range", f)
	}
	return strconv.FormatFloat(f, 'g', -1, 64), nil
}

// checkName returns value where it is one path element that is not hidden.
func checkName(value string) (string, error) {
	odd := func(r rune) bool { return r == '/' || r == '\\' || unicode.IsControl(r) }
	if value == "" || len(value) > 255 || value[0] == '.' || strings.ContainsFunc(value, odd) {
		return "", fmt.Errorf("%.80q is not a name", value)
	}
	return value, nil
}

// Usage says what the parameter accepts.
func (p ParamInfo) Usage() string {
	switch {
	case p.Kind == ChoiceParam:
		return fmt.Sprintf("%s takes %s (default %s)", p.Name, strings.Join(p.Choices, ", "), p.Default)
	case p.Kind == NameParam:
		return p.Name + " takes a name, without slashes (default none)"
	case p.Odd:
		return fmt.Sprintf("%s takes an odd whole number from %g to %g (default %s)", p.Name, p.Min, p.Max, p.Default)
	case p.Kind == IntParam:
		return fmt.Sprintf("%s takes a whole number from %g to %g (default %s)", p.Name, p.Min, p.Max, p.Default)
	}
	return fmt.Sprintf("%s takes a number from %g to %g (default %s)", p.Name, p.Min, p.Max, p.Default)
}

// usage lists the parameters.
func (i OperationInfo) usage() string {
	if len(i.Params) == 0 {
		return i.Name + " takes no parameters"
	}
	names := make([]string, len(i.Params))
	for n, p := range i.Params {
		names[n] = p.Name
	}
	return i.Name + " takes " + strings.Join(names, ", ")
}

// FindOperation returns the description of op among those offered.
// Errors: InvalidArgument, naming what there is.
func FindOperation(offered []OperationInfo, op Operation) (OperationInfo, error) {
	ofVideo := strings.HasPrefix(op.Name, VideoPrefix)
	var names []string
	others := false
	for _, info := range offered {
		switch {
		case info.Name == op.Name:
			return info, nil
		case strings.HasPrefix(info.Name, VideoPrefix) == ofVideo:
			names = append(names, info.Name)
		default:
			others = true
		}
	}
	switch { // the list is long as it is
	case others && !ofVideo:
		names = append(names, VideoPrefix+"NAME")
	case len(names) == 0:
		names = []string{"those that client operations lists"}
	}
	return OperationInfo{}, E(InvalidArgument, fmt.Sprintf("operation %q", op.Name),
		errors.New("no such operation"), "use one of "+strings.Join(names, ", "))
}
