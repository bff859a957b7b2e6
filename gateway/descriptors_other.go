//go:build !unix

package gateway

// descriptors is how many files and connections this process may have open: Windows
// has no limit that matters here.
func descriptors() int { return 0 }
