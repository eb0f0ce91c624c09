//go:build !linux

package rig

import "syscall"

func withUs() *syscall.SysProcAttr { return nil }
