//go:build unix

package gateway

import "syscall"

// descriptors is how many files and connections this process may have open; 0: not
// known. Go raises the limit to the hard one when a process starts.
func descriptors() int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur >= 1<<20 {
		return 0
	}
	return int(limit.Cur)
}
