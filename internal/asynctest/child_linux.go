package asynctest

import "syscall"

// Child are the attributes of a process that the kernel kills when this one dies,
// however it dies. Elsewhere than on Linux it may be left behind.
func Child() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
