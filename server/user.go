package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/term"

	"spillway/job"
	"spillway/server/account"
	"spillway/server/store"
)

// userCommand is the first argument of what looks after accounts.
const userCommand = "user"

const userUsage = `server user looks after the accounts of the HTTP API. The server may run meanwhile.

  server user add NAME [--role viewer|operator|admin]   makes an account
  server user set NAME [--role ROLE] [--password]       changes it; a new password ends its tokens
  server user remove NAME
  server user list

The password is asked for on a terminal, and else read from the first line of standard input.
--generate makes one and shows it.

  viewer     looks at everything, and fetches files
  operator   submits, uploads, cancels, deletes, drains nodes
  admin      looks after accounts and the server itself

Flags:
`

// userFlags is what a command line of server user asks for.
type userFlags struct {
	state, db, role    string
	password, generate bool
	args               []string
}

// users is the command server user. Errors: InvalidArgument and those of accounts.
func users(ctx context.Context, args []string, stdin *os.File, stdout io.Writer) (err error) {
	f, err := parseUser(args, stdout)
	if err != nil {
		return err
	}
	_, missing := os.Stat(f.state)
	fresh := f.db == "" && errors.Is(missing, os.ErrNotExist)
	kept, err := f.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	if err := f.do(ctx, account.New(account.Config{}, kept), stdin, stdout); err != nil || !fresh {
		return err
	}
	fmt.Fprintf(stdout, "%s is new: only a server that is started with it as --state knows %s\n", f.state, f.args[1])
	return nil
}

// do does what the command line asks for.
func (f userFlags) do(ctx context.Context, accounts *account.Accounts, stdin *os.File, stdout io.Writer) (err error) {
	if f.args[0] == "list" {
		return listUsers(ctx, accounts, stdout)
	}
	name := f.args[1]
	switch f.args[0] {
	case "add":
		if err := account.CheckName(name); err != nil {
			return err
		}
		password, err := f.readPassword(stdin, stdout)
		if err != nil {
			return err
		}
		role := cmp.Or(job.Role(f.role), job.Viewer)
		if err := accounts.Add(ctx, name, password, role); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s may log in, as %s\n", name, role)
	case "set":
		password := ""
		if f.password || f.generate {
			if password, err = f.readPassword(stdin, stdout); err != nil {
				return err
			}
		}
		if err := accounts.Set(ctx, name, password, job.Role(f.role)); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s is changed\n", name)
	case "remove":
		if err := accounts.Remove(ctx, name); err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s is removed\n", name)
	}
	return nil
}

// parseUser reads the command line. Errors: InvalidArgument.
func parseUser(args []string, stdout io.Writer) (userFlags, error) {
	var f userFlags
	flags := pflag.NewFlagSet("server user", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.Usage = func() {}
	flags.StringVar(&f.role, "role", "", "what the user may do (default of add: viewer)")
	flags.BoolVar(&f.password, "password", false, "of set: change the password")
	flags.BoolVar(&f.generate, "generate", false, "make a password and show it")
	flags.StringVar(&f.state, "state", "data/state", "`directory` of the server's files, as of the server")
	flags.StringVar(&f.db, "db", "", "`URL` of the server's PostgreSQL, as of the server")
	help := flags.BoolP("help", "h", false, "show this help")
	if err := flags.Parse(args); err != nil {
		return f, badUser(err.Error())
	}
	if *help || len(args) == 0 {
		fmt.Fprint(stdout, userUsage, flags.FlagUsages())
		return f, errHelp
	}
	f.args = flags.Args()
	want := map[string]int{"add": 2, "set": 2, "remove": 2, "list": 1}
	if len(f.args) == 0 || want[f.args[0]] == 0 {
		return f, badUser("say add, set, remove or list")
	}
	if len(f.args) != want[f.args[0]] {
		return f, badUser(f.args[0] + " takes " + map[int]string{1: "no name", 2: "one name"}[want[f.args[0]]])
	}
	if f.role != "" {
		if err := job.Role(f.role).Check(); err != nil {
			return f, err
		}
	}
	if f.args[0] == "set" && f.role == "" && !f.password && !f.generate {
		return f, badUser("set changes nothing without --role, --password or --generate")
	}
	return f, nil
}

func badUser(why string) error {
	return job.E(job.InvalidArgument, "user", errors.New(why), "server user --help shows how")
}

// open opens the store, also while a server has it.
func (f userFlags) open(ctx context.Context) (keeper, error) {
	log := slog.New(slog.DiscardHandler)
	switch f.db {
	case "":
		if _, err := os.Stat(f.state); errors.Is(err, os.ErrNotExist) && f.args[0] != "add" {
			return nil, job.E(job.NotFound, "--state "+f.state, errors.New("no server has kept anything there"), "run this where the server was started, or name its --state")
		}
		return store.OpenSQLiteBeside(ctx, f.state, store.Config{Log: log})
	case inMemory:
		return nil, badUser("--db memory keeps no accounts that another program could change")
	}
	return store.OpenPostgres(ctx, f.db, store.Config{Log: log})
}

// readPassword makes a password, asks for it twice on a terminal, or reads a line.
func (f userFlags) readPassword(stdin *os.File, stdout io.Writer) (string, error) {
	if f.generate {
		password := rand.Text()
		fmt.Fprintln(stdout, "password:", password)
		return password, nil
	}
	if !term.IsTerminal(int(stdin.Fd())) {
		line, err := bufio.NewReader(io.LimitReader(stdin, 4096)).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("read the password: %w", err)
		}
		password := strings.TrimRight(line, "\r\n")
		return password, account.CheckPassword(password)
	}
	var twice [2]string
	for i, ask := range []string{"password: ", "again: "} {
		fmt.Fprint(stdout, ask)
		text, err := term.ReadPassword(int(stdin.Fd()))
		fmt.Fprintln(stdout)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		twice[i] = string(text)
	}
	if twice[0] != twice[1] {
		return "", badUser("the two passwords differ")
	}
	return twice[0], account.CheckPassword(twice[0])
}

// listUsers prints a table.
func listUsers(ctx context.Context, accounts *account.Accounts, stdout io.Writer) error {
	all, err := accounts.Users(ctx)
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "user\trole\tsince")
	for _, u := range all {
		fmt.Fprintf(t, "%s\t%s\t%s\n", u.Name, u.Role, u.Created.Local().Format(time.DateTime))
	}
	return t.Flush()
}
