//go:build !linux

package asynctest

import "syscall"

// Child are the attributes of a process that may be left behind when this one dies.
func Child() *syscall.SysProcAttr { return nil }
