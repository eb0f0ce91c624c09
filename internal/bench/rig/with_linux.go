package rig

import "syscall"

// withUs has the kernel end the process when ours ends, however that comes.
func withUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
