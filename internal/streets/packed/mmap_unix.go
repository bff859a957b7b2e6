//go:build unix

package packed

import (
	"os"
	"syscall"
)

// mapFile maps a file into memory, so that its pages are shared by processes
// and read when they are needed.
func mapFile(path string) (data []byte, unmap func() error, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // wrapped by Open
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // wrapped by Open
	}
	if !info.Mode().IsRegular() || info.Size() < int64(headerBytes) || info.Size() != int64(int(info.Size())) {
		return nil, nil, ErrNotStreets
	}
	data, err = syscall.Mmap(int(file.Fd()), 0, int(info.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err //nolint:wrapcheck // wrapped by Open
	}
	return data, func() error { return syscall.Munmap(data) }, nil
}
