package gossip

import (
	"context"
	"net"
	"slices"
	"sync"
)

// Probe tells which addresses join stands for, where port is that of entries without
// one, and which of them accept connections. It joins nobody. The list of failures has
// an error for each name that is not found.
func Probe(ctx context.Context, join []string, port uint16) (found, answering []string, failures []error) {
	for _, entry := range join {
		addresses, err := resolve(ctx, entry, port)
		if err != nil {
			failures = append(failures, err)
		}
		found = append(found, addresses...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	dialer := net.Dialer{Timeout: streamTimeout}
	accepts := make([]bool, len(found))
	var dialling sync.WaitGroup
	for i, address := range found[:min(len(found), maxProbed)] {
		dialling.Go(func() {
			conn, err := dialer.DialContext(ctx, "tcp", address)
			if accepts[i] = err == nil; err == nil {
				_ = conn.Close()
			}
		})
	}
	dialling.Wait()
	for i, address := range found {
		if accepts[i] {
			answering = append(answering, address)
		}
	}
	return found, answering, failures
}

// maxProbed is the most addresses that are tried, at once.
const maxProbed = 256
