package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"spillway/computenode/admission"
	"spillway/computenode/isolate"
	"spillway/job"
)

// help is the text of --help.
func help() string {
	return `Computenode is one node of a pool. It takes tasks from a server, and delays or
rejects each with the load probability, a number from 0 to 1.

Usage:
  computenode <load_probability> [flags]

Examples:
  computenode 0.2 --name node_0                   as machine.txt says
  computenode 0 --listen 127.0.0.1:5001           no machine.txt; never delays or rejects
  computenode 0.5 --name node_1 --seed 42         the same draws each time
  computenode 0.9 --delay 300ms --slots 4         a shorter delay, four tasks at once
  computenode 0 --admission codel:n=200ms         drops tasks that waited too long
  computenode 0.1 --root /srv/pictures --root /tmp/more
  computenode 0 --text 127.0.0.1:6001             and answers nc 127.0.0.1 6001
  computenode 0 --controller 127.0.0.1:5000 --worker-name node_lab --tags gpu,lab-2   joins a running server

Flags:
` + newFlags(&config{}, &raw{}).FlagUsages() + `
Controllers for --admission, with their parameters and defaults:
` + admission.Describe() + `
Exit codes: 0 ended by a signal; 1 it could not serve; 2 wrong usage.
`
}

// usage is the error of a command line that is wrong at what.
func usage(what, why, hint string) error {
	return job.E(job.InvalidArgument, what, errors.New(why), hint)
}

// probability reads the one argument that is not a flag.
func probability(args []string) (float64, error) {
	const form = "write computenode <load_probability> [flags], such as computenode 0.2 --name node_0"
	switch len(args) {
	case 0:
		return 0, usage("load probability", "it is missing", form)
	case 1:
		return admission.ParseProbability(args[0])
	}
	return 0, usage(fmt.Sprintf("argument %.80q", args[1]), "only the load probability stands without a flag", form)
}

// splitNegative takes numbers that begin with a minus out of args, unless they
// are the value of a flag, so that -1 is a wrong load probability rather than an
// unknown flag.
func splitNegative(set *pflag.FlagSet, args []string) (rest, numbers []string) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(rest, args[i:]...), numbers
		}
		if _, err := strconv.ParseFloat(arg, 64); strings.HasPrefix(arg, "-") && (err == nil || errors.Is(err, strconv.ErrRange)) {
			numbers = append(numbers, arg)
			continue
		}
		rest = append(rest, arg)
		f := set.Lookup(strings.TrimPrefix(arg, "--"))
		if strings.HasPrefix(arg, "--") && f != nil && f.NoOptDefVal == "" && i+1 < len(args) {
			i++
			rest = append(rest, args[i])
		}
	}
	return rest, numbers
}

// flagError says which flag is wrong, and what it takes.
func flagError(err error) error {
	const see = "see computenode --help"
	var value *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	var lone *pflag.ValueRequiredError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return err
	case errors.As(err, &value):
		return usage(fmt.Sprintf("--%s %.80q", value.GetFlag().Name, value.GetValue()), "it is not "+kind(value.GetFlag()), see)
	case errors.As(err, &unknown):
		return usage(fmt.Sprintf("flag %.80q", unknown.GetSpecifiedName()), "there is no such flag", see)
	case errors.As(err, &lone):
		return usage("--"+lone.GetFlag().Name, "its value is missing", see)
	}
	return usage("", err.Error(), see)
}

// kind says what a flag takes.
func kind(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "duration":
		return "a time such as 3s or 250ms"
	case "int":
		return "a whole number"
	case "uint64":
		return "a whole number from 0 up"
	case "bool":
		return "true or false"
	}
	return "a " + f.Value.Type()
}

// parseMemory reads the memory of a child process. Errors: InvalidArgument.
func parseMemory(s string) (int64, error) {
	bytes, err := parseSize("--memory", s)
	if err == nil && bytes < isolate.MinMemory {
		return 0, usage(fmt.Sprintf("--memory %.80q", s), "a child process could not start", "use "+isolate.Size(isolate.MinMemory)+" or more")
	}
	return bytes, err
}

// parseSize reads a number of bytes that is given with flag: 2GiB, 512 MiB, 1.5GiB,
// 1073741824. Errors: InvalidArgument.
func parseSize(flag, s string) (int64, error) {
	number, unit := strings.TrimSpace(s), int64(1)
	for suffix, bytes := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if cut, ok := strings.CutSuffix(number, suffix); ok {
			number, unit = strings.TrimSpace(cut), bytes
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	bytes := n * float64(unit)
	if err != nil || math.IsNaN(bytes) || bytes >= math.MaxInt64 {
		return 0, usage(fmt.Sprintf("%s %.80q", flag, s), "it is not a number of bytes", "use one such as 2GiB or 512MiB")
	}
	if bytes < 1 {
		return 0, usage(fmt.Sprintf("%s %.80q", flag, s), "it is too little", "use one such as 2GiB or 512MiB")
	}
	return int64(bytes), nil
}

// badRoot is the error of a directory that cannot be worked in.
func badRoot(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return usage(fmt.Sprintf("--root %.200q", path.Path), path.Err.Error(), "name a directory that exists")
	}
	return usage("--root", err.Error(), "name a directory that exists")
}

// onOff is a switch for people.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
