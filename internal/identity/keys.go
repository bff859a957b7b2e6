package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/pause"
	"geogate/internal/rate"
)

const (
	// lookEvery is how often a process looks whether keys have changed. Together
	// with reading them it keeps revocation below 2 s.
	lookEvery = 500 * time.Millisecond
	// opTimeout bounds one call to Redis.
	opTimeout = time.Second
	// MaxKeys is how many keys there may be: every process holds all of them, at
	// about 500 bytes a key.
	MaxKeys = 10000
	// maxLabel is the longest label or subject of a key, in bytes.
	maxLabel = 200
)

// Keys of the key store. They share a hash tag, and so a slot of a cluster.
const (
	recordsKey = "geogate:{keys}:records" // hash: id → record as JSON
	versionKey = "geogate:{keys}:version" // counts the changes of records
)

var (
	// ErrKeyNotFound means that there is no key with an id.
	ErrKeyNotFound = errors.New("no such key")
	// ErrTooManyKeys means that there are MaxKeys keys.
	ErrTooManyKeys = errors.New("too many keys")
)

// Request is what a new key shall be.
type Request struct {
	Role    Role
	Subject string        // id of the driver or rider, or a name such as dispatch-office
	Expires time.Duration // 0: never
	Rate    *rate.Rate    // nil: the usual limit; zero: none
	Label   string        // a note for people
	// UpstreamBudget bounds the upstream calls that the key may cause; nil: no bound.
	UpstreamBudget *rate.Rate
}

// InputError tells what is wrong with a Request. It names the field as the API
// and the command line spell it.
type InputError struct{ Field, Detail string }

func (e *InputError) Error() string { return e.Field + ": " + e.Detail }

// NewRequest reads a request as the API and the command line spell it: expires as
// a duration such as 90d, limit and budget as rates such as 6000/1m. Empty texts
// stand for what is not set. The error is an *InputError.
func NewRequest(role, subject, expires, limit, label, budget string) (Request, error) {
	r := Request{Role: Role(role), Subject: subject, Label: label}
	if expires != "" {
		d, err := rate.ParseDuration(expires)
		if err != nil || d <= 0 {
			return Request{}, &InputError{"expires", "want a duration above 0, such as 90d or 12h"}
		}
		r.Expires = d
	}
	for _, field := range []struct {
		name, text string
		target     **rate.Rate
	}{{"rate", limit, &r.Rate}, {"upstream_budget", budget, &r.UpstreamBudget}} {
		if field.text == "" {
			continue
		}
		parsed, err := rate.Parse(field.text)
		if err != nil {
			return Request{}, &InputError{field.name, err.Error()}
		}
		*field.target = &parsed
	}
	if err := r.check(); err != nil {
		return Request{}, err
	}
	return r, nil
}

// check returns an *InputError for a request that cannot become a key.
func (r *Request) check() error {
	switch {
	case !slices.Contains(Roles, r.Role):
		return &InputError{"role", "want rider, driver, operator or admin"}
	case r.Subject == "":
		return &InputError{"subject", "a key needs a subject: the id of the driver or rider, or a name"}
	case len(r.Subject) > maxLabel:
		return &InputError{"subject", fmt.Sprintf("is longer than %d bytes", maxLabel)}
	case len(r.Label) > maxLabel:
		return &InputError{"label", fmt.Sprintf("is longer than %d bytes", maxLabel)}
	case r.Expires < 0:
		return &InputError{"expires", "must lie in the future"}
	case r.UpstreamBudget != nil && r.UpstreamBudget.Requests == 0:
		return &InputError{"upstream_budget", "want requests/duration such as 1000/1d; leave it out for no bound"}
	}
	return nil
}

// Record is what is kept of a key. The key itself is not.
type Record struct {
	ID             string     `json:"id"`
	Role           Role       `json:"role"`
	Subject        string     `json:"subject"`
	Label          string     `json:"label,omitempty"`
	Rate           *rate.Rate `json:"rate,omitempty"`
	UpstreamBudget *rate.Rate `json:"upstream_budget,omitempty"`
	CreatedAt      time.Time  `json:"created_at"`
	ExpiresAt      time.Time  `json:"expires_at,omitzero"`
	Hash           string     `json:"hash"` // SHA-256 of the key, in hex
}

func (r *Record) caller() *Caller {
	return &Caller{
		Kind: Key, Subject: r.Subject, Role: r.Role, Scopes: r.Role.Scopes(),
		Credential: credentialPrefix + "key:" + r.ID, Key: r.ID, Rate: r.Rate, UpstreamBudget: r.UpstreamBudget, Expires: r.ExpiresAt,
	}
}

// Keys issues keys, keeps their hashes in Redis and knows all of them in memory,
// so that checking one costs no round trip. It is safe for concurrent use.
type Keys struct {
	rdb redis.UniversalClient
	log zerolog.Logger
	now func() time.Time

	known atomic.Pointer[keySet] // nil: not read yet
	read  sync.Mutex             // held while they are read, so that a lot of unknown keys cost one reading
}

// keySet is every key at one version.
type keySet struct {
	version string
	byID    map[string]heldKey
}

type heldKey struct {
	hash   string
	caller *Caller
}

// NewKeys returns the keys that are kept in rdb. Run must run for revocations
// to arrive.
func NewKeys(rdb redis.UniversalClient, log zerolog.Logger) *Keys {
	return &Keys{rdb: rdb, log: log, now: time.Now}
}

// Run follows what changes until ctx ends. It returns nil: Redis being away is
// logged and waited out, and what is known stays known meanwhile.
func (k *Keys) Run(ctx context.Context) error {
	retry := pause.NewGrowing(lookEvery, 5*time.Second)
	for failing := false; ctx.Err() == nil; {
		err := k.refresh(ctx)
		if err == nil {
			failing = false
			retry.Reset()
			_ = pause.For(ctx, pause.Around(lookEvery, 0.2))
			continue
		}
		if ctx.Err() == nil && !failing {
			failing = true
			k.log.Warn().Err(err).Msg("cannot read keys; those that are known go on working")
		}
		_ = retry.Wait(ctx)
	}
	return nil
}

// refresh reads the keys if they have changed.
func (k *Keys) refresh(ctx context.Context) error {
	k.read.Lock()
	defer k.read.Unlock()
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	version, err := k.rdb.Get(ctx, versionKey).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("read version of keys: %w", err)
	}
	if held := k.known.Load(); held != nil && held.version == version {
		return nil
	}
	// The version is read before the records: if they change in between, the next
	// look reads them again.
	records, err := k.records(ctx)
	if err != nil {
		return err
	}
	set := &keySet{version: version, byID: make(map[string]heldKey, len(records))}
	for _, r := range records {
		set.byID[r.ID] = heldKey{r.Hash, r.caller()}
	}
	k.known.Store(set)
	return nil
}

func (k *Keys) records(ctx context.Context) ([]Record, error) {
	all, err := k.rdb.HGetAll(ctx, recordsKey).Result()
	if err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	list := make([]Record, 0, len(all))
	for id, text := range all {
		var r Record
		if err := json.Unmarshal([]byte(text), &r); err != nil || r.ID != id {
			k.log.Error().Str("key", id).Msg("the record of this key is damaged; it is refused")
			continue
		}
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b Record) int { return a.CreatedAt.Compare(b.CreatedAt) })
	return list, nil
}

// identify returns the caller with a key. Errors: ErrMalformedKey, ErrInvalid,
// ErrUnavailable.
func (k *Keys) identify(ctx context.Context, text string) (*Caller, error) {
	id, err := keyID(text)
	if err != nil {
		return nil, err
	}
	held, found := k.held(id)
	if !found {
		// Another process may have issued it a moment ago.
		if err := k.refresh(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		held, found = k.held(id)
	}
	switch {
	case !found || !sameText(held.hash, hashOf(text)):
		return nil, fmt.Errorf("%w: unknown or revoked key", ErrInvalid)
	case !held.caller.Expires.IsZero() && !k.now().Before(held.caller.Expires):
		return nil, fmt.Errorf("%w: expired key", ErrInvalid)
	}
	return held.caller, nil
}

// peek is identify for a key that is known, without asking anybody.
func (k *Keys) peek(text string) *Caller {
	id, err := keyID(text)
	if err != nil {
		return nil
	}
	held, found := k.held(id)
	if !found || !sameText(held.hash, hashOf(text)) {
		return nil
	}
	if e := held.caller.Expires; !e.IsZero() && !k.now().Before(e) {
		return nil
	}
	return held.caller
}

func (k *Keys) held(id string) (heldKey, bool) {
	set := k.known.Load()
	if set == nil {
		return heldKey{}, false
	}
	held, found := set.byID[id]
	return held, found
}

// Create issues a key. text is the key; nobody can show it again. Errors:
// *InputError, ErrTooManyKeys, ErrUnavailable.
func (k *Keys) Create(ctx context.Context, r Request) (text string, kept Record, err error) {
	if err := r.check(); err != nil {
		return "", Record{}, err
	}
	text, id, hash := newKey()
	now := k.now().UTC().Truncate(time.Millisecond)
	kept = Record{
		ID: id, Role: r.Role, Subject: r.Subject, Label: r.Label, Rate: r.Rate, UpstreamBudget: r.UpstreamBudget,
		CreatedAt: now, Hash: hash,
	}
	if r.Expires > 0 {
		kept.ExpiresAt = now.Add(r.Expires)
	}
	record, err := json.Marshal(kept)
	if err != nil {
		return "", Record{}, fmt.Errorf("encode key: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	code, err := createScript.Run(ctx, k.rdb, []string{recordsKey, versionKey}, id, record, MaxKeys).Text()
	switch {
	case err != nil:
		return "", Record{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	case code == "full":
		return "", Record{}, ErrTooManyKeys
	}
	_ = k.refresh(ctx) // so that it works here at once; elsewhere it is looked up
	return text, kept, nil
}

// Revoke ends a key. Errors: ErrKeyNotFound, ErrUnavailable.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	code, err := revokeScript.Run(ctx, k.rdb, []string{recordsKey, versionKey, useKey(id)}, id).Text()
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	case code == "unknown":
		return ErrKeyNotFound
	}
	_ = k.refresh(ctx) // the others see it within lookEvery
	return nil
}

// Listed is a key as operators see it.
type Listed struct {
	Record
	LastUsedAt time.Time
	Today      Use
	Last30Days Use
}

// List returns all keys, oldest first, with their use as far as it has been
// written. The error is ErrUnavailable.
func (k *Keys) List(ctx context.Context) ([]Listed, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*opTimeout)
	defer cancel()
	records, err := k.records(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	list := make([]Listed, len(records))
	today := dayOf(k.now())
	for chunk := range slices.Chunk(indexes(len(records)), listChunk) {
		pipe := k.rdb.Pipeline()
		uses := make([]*redis.MapStringStringCmd, len(chunk))
		for i, at := range chunk {
			uses[i] = pipe.HGetAll(ctx, useKey(records[at].ID))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		for i, at := range chunk {
			list[at] = listed(records[at], uses[i].Val(), today)
		}
	}
	return list, nil
}

// listChunk is how many uses one pipeline reads.
const listChunk = 100

func indexes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func listed(r Record, fields map[string]string, today int64) Listed {
	l := Listed{Record: r}
	for name, text := range fields {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			continue
		}
		if name == lastUsedField {
			l.LastUsedAt = time.UnixMilli(n).UTC()
			continue
		}
		day, counter, ok := parseUseField(name)
		if !ok || day > today || day <= today-30 {
			continue
		}
		counter.add(&l.Last30Days, n)
		if day == today {
			counter.add(&l.Today, n)
		}
	}
	return l
}
