package files

import (
	"errors"
	"strings"

	"spillway/job"
)

// CheckFolder reports a name that no folder can have. Errors: InvalidArgument.
func CheckFolder(folder string) error {
	if err := checkName("folder", folder); err != nil {
		return err
	}
	if folder == Uploads {
		return job.E(job.InvalidArgument, "folder "+folder, errors.New("the name is the server's own"), "choose another name")
	}
	return nil
}

// checkName reports a name that neither file nor folder, which what tells, can have.
// Hidden ones are left to programs that mean to hide something.
func checkName(what, name string) error {
	op := strings.TrimSpace(what + " " + job.Shown(clip(name)))
	if err := job.CheckFileName(name); err != nil {
		return job.E(job.InvalidArgument, op, job.AsError(err).Err, "name it as in 12.1.png")
	}
	if strings.HasPrefix(name, ".") || strings.Contains(name, `\`) {
		return job.E(job.InvalidArgument, op, errors.New("it begins with a dot, or has a backslash"), "name it as in 12.1.png")
	}
	return nil
}

// checkPath reports a file that no folder can hold. Errors: InvalidArgument, NotFound.
func checkPath(folder, dir, name string) error {
	if err := CheckFolder(folder); err != nil {
		return err
	}
	if err := checkName("file", name); err != nil {
		return err
	}
	return checkDir(dir)
}

func checkDir(dir string) error {
	if dir != InputDir && dir != OutputDir {
		return job.E(job.NotFound, "directory "+job.Shown(clip(dir)), errors.New("there is none"), "a folder has "+InputDir+" and "+OutputDir)
	}
	return nil
}

// clip is the beginning of a text that a caller chose, for messages.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most]
	}
	return s
}
