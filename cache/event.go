package cache

import (
	"fmt"
	"strconv"
	"strings"
)

// eventKind says what an event is about.
type eventKind byte

const (
	// eventStored: an entry was stored. Who waits for it looks again, and who
	// holds an older one in memory too.
	eventStored eventKind = 's'
	// eventReleased: a lease was given back with nothing stored.
	eventReleased eventKind = 'r'
	// eventPurged: a key was purged. Numbered.
	eventPurged eventKind = 'p'
	// eventReplaced: an entry was stored although the one before it was still
	// fresh: somebody wanted a new one. As eventStored, but numbered, because
	// a process that misses it would go on with the old one for long.
	eventReplaced eventKind = 'c'
	// eventScope: everything, a provider or an outcome was purged; the record
	// says what. Numbered.
	eventScope eventKind = 'g'
)

func (k eventKind) known() bool {
	return k.numbered() || k == eventStored || k == eventReleased
}

func (k eventKind) numbered() bool {
	return k == eventPurged || k == eventReplaced || k == eventScope
}

// event is what processes tell each other by publish and subscribe:
//
//	kind number time key
//
// separated by spaces, the key last because it may hold spaces.
type event struct {
	kind     eventKind
	number   uint64 // of the purge, 0 if the kind is not numbered
	storedAt int64  // of the entry, unix nanoseconds, 0 if there is none
	key      string
}

// tail is the message but for kind and number, which a script prepends.
func (e event) tail() string { return strconv.FormatInt(e.storedAt, 10) + " " + e.key }

func (e event) String() string { return fmt.Sprintf("%c %d %s", e.kind, e.number, e.tail()) }

// parseEvent reports false for what is no event: another release may know
// kinds that this one does not.
func parseEvent(s string) (event, bool) {
	kind, rest, _ := strings.Cut(s, " ")
	number, rest, _ := strings.Cut(rest, " ")
	at, key, ok := strings.Cut(rest, " ")
	if !ok || len(kind) != 1 {
		return event{}, false
	}
	e := event{kind: eventKind(kind[0]), key: key}
	var err1, err2 error
	e.number, err1 = strconv.ParseUint(number, 10, 64)
	e.storedAt, err2 = strconv.ParseInt(at, 10, 64)
	return e, err1 == nil && err2 == nil && e.kind.known()
}
