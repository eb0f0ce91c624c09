package storetest

import "syscall"

// unprivileged has nothing to do: PostgreSQL drops its rights by itself.
func unprivileged(string) (*syscall.SysProcAttr, error) { return nil, nil }
