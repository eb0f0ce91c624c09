package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lockFile is the lock's name within the directory. It holds the pid of who has
// the lock; what locks is the operating system, so that the lock is gone with
// its process, however that ended.
const lockFile = "lock"

// errLocked says that another open file has the lock.
var errLocked = errors.New("locked")

// A lock is a directory that this process has for itself.
type lock struct{ file *os.File }

// lockDirectory takes the lock of dir, or says who has it.
func lockDirectory(dir string) (*lock, error) {
	name := filepath.Join(dir, lockFile)
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if err := lockWhole(file); err != nil {
		defer func() { _ = file.Close() }()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("%s is %w%s; stop it, or give this one another directory with --data", dir, ErrInUse, owner(file))
		}
		return nil, fmt.Errorf("store: %s: %w", name, err)
	}
	if err := sign(file); err != nil {
		return nil, errors.Join(fmt.Errorf("store: %w", err), file.Close())
	}
	return &lock{file}, nil
}

// sign writes this process's pid into the file.
func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// owner is " (pid 4242)", or empty if the file does not say.
func owner(file *os.File) string {
	text := make([]byte, 32)
	n, _ := file.ReadAt(text, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(text[:n])))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (pid %d)", pid)
}

func (l *lock) release() error { return l.file.Close() }
