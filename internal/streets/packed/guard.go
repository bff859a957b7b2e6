package packed

import (
	"runtime"
	"runtime/debug"
)

// Guard calls do, which reads mapped files. Somebody may cut such a file off
// rather than replace it, which takes its pages away; do then ends in ErrDamaged,
// where it would end the process.
func Guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fault:
			err = ErrDamaged
		default:
			panic(r)
		}
	}()
	return do()
}

// fault is the error of reading memory that is not there. A nil pointer has no
// address: it is a bug, not damage.
type fault interface {
	runtime.Error
	Addr() uintptr
}
