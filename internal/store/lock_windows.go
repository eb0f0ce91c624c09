package store

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lockWhole locks a byte far behind the pid, since on Windows a locked range
// cannot be read by others.
func lockWhole(file *os.File) error {
	err := windows.LockFileEx(
		windows.Handle(file.Fd()),
		windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY,
		0, 1, 0, &windows.Overlapped{Offset: 1 << 20},
	)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return errLocked
	}
	return err
}
