//go:build !unix

package packed

import "os"

// mapFile reads the whole file: there is no mapping here that is worth its code.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	data, err = os.ReadFile(path)
	return data, func() error { return nil }, err //nolint:wrapcheck // wrapped by Open
}
