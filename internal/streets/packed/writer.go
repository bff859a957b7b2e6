package packed

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"os"
)

// ErrTooLarge is returned when a section would be larger than numbers of 32
// bits can tell.
var ErrTooLarge = errors.New("a streets file holds at most 4 GiB in each section")

// Writer writes the sections of a file one after the other, in any order, in a
// file beside it that takes its name when it is complete. A failure shows in
// Close.
type Writer struct {
	path  string
	out   *os.File
	off   uint64
	begun Section
	page  []byte
	sums  []byte
	head  [headerBytes]byte
	err   error
}

// Create begins a file.
func Create(path string) (*Writer, error) {
	out, err := os.Create(path + ".part")
	if err != nil {
		return nil, fmt.Errorf("create streets: %w", err)
	}
	w := &Writer{path: path, out: out}
	_, w.err = out.Write(w.head[:])
	return w, nil
}

// Section writes a whole section.
func (w *Writer) Section(s Section, b []byte) {
	w.Begin(s)
	w.Append(b)
}

// Begin begins a section. Each is written once.
func (w *Writer) Begin(s Section) {
	w.begun = s
	binary.LittleEndian.PutUint64(w.entry(), w.off)
}

// Append adds to the section that was begun last.
func (w *Writer) Append(b []byte) {
	size := w.Size() + uint64(len(b))
	if size > math.MaxUint32 {
		w.err = cmp.Or(w.err, ErrTooLarge)
		return
	}
	binary.LittleEndian.PutUint64(w.entry()[8:], size)
	w.off += uint64(len(b))
	for len(b) > 0 && w.err == nil {
		n := min(pageBytes-len(w.page), len(b))
		w.page = append(w.page, b[:n]...)
		b = b[n:]
		if len(w.page) == pageBytes {
			w.flush()
		}
	}
}

// Size is how long the section is that was begun last.
func (w *Writer) Size() uint64 { return binary.LittleEndian.Uint64(w.entry()[8:]) }

// entry is where the header has the section that was begun last.
func (w *Writer) entry() []byte { return w.head[len(magic)+20+16*int(w.begun):] }

func (w *Writer) flush() {
	w.sums = binary.LittleEndian.AppendUint32(w.sums, crc32.Checksum(w.page, castagnoli))
	if _, err := w.out.Write(w.page); err != nil && w.err == nil {
		w.err = err
	}
	w.page = w.page[:0]
}

// Abort removes what was written.
func (w *Writer) Abort() {
	_ = w.out.Close()
	_ = os.Remove(w.path + ".part")
}

// Close completes the file and gives it its name.
func (w *Writer) Close() error {
	if len(w.page) > 0 {
		w.flush()
	}
	if err := w.finish(); err != nil {
		w.Abort()
		return fmt.Errorf("write streets: %w", err)
	}
	return nil
}

func (w *Writer) finish() error {
	if w.err != nil {
		return w.err
	}
	copy(w.head[:], magic)
	h := w.head[len(magic):]
	binary.LittleEndian.PutUint32(h, Version)
	binary.LittleEndian.PutUint64(h[4:], w.off)
	binary.LittleEndian.PutUint32(h[12:], crc32.Checksum(w.sums, castagnoli))
	binary.LittleEndian.PutUint32(w.head[headerBytes-4:], crc32.Checksum(w.head[:headerBytes-4], castagnoli))
	if _, err := w.out.Write(w.sums); err != nil {
		return err //nolint:wrapcheck // wrapped by Close
	}
	if _, err := w.out.WriteAt(w.head[:], 0); err != nil {
		return err //nolint:wrapcheck // wrapped by Close
	}
	if err := w.out.Sync(); err != nil {
		return err //nolint:wrapcheck // wrapped by Close
	}
	if err := w.out.Close(); err != nil {
		return err //nolint:wrapcheck // wrapped by Close
	}
	return os.Rename(w.path+".part", w.path) //nolint:wrapcheck // wrapped by Close
}
