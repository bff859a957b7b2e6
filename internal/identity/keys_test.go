package identity

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"geogate/internal/rate"
	"geogate/internal/redistest"
)

// running starts what Run of a part does, until the test ends.
func running(t *testing.T, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// eventually fails the test unless met becomes true within d.
func eventually(t *testing.T, d time.Duration, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(d); !met(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

func operator(t *testing.T, k *Keys, adjust ...func(*Request)) (text, id string) {
	t.Helper()
	r := Request{Role: Operator, Subject: "office"}
	for _, change := range adjust {
		change(&r)
	}
	text, kept, err := k.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return text, kept.ID
}

func TestKeySaysWhoCalls(t *testing.T) {
	k := NewKeys(redistest.Start(t).Client(t), zerolog.Nop())
	limit := rate.Rate{Requests: 6000, Per: time.Minute}
	text, kept, err := k.Create(t.Context(), Request{Role: Driver, Subject: "7", Expires: time.Hour, Rate: &limit, Label: "tablet"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(k, Config{}).Identify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Kind != Key || c.Subject != "7" || c.Role != Driver || c.Scopes != Geocode|Drive || *c.Rate != limit || c.Key != kept.ID {
		t.Errorf("Identify = %+v", c)
	}
	if own, bound := c.Own(); own != "7" || !bound {
		t.Errorf("Own = %q, %v, want 7, true", own, bound)
	}
	if strings.Contains(kept.Hash, text) || !strings.HasPrefix(text, "gg_"+kept.ID+"_") || len(text) != keyLength {
		t.Errorf("key %q does not read gg_<id>_<secret><check>", text)
	}
	k.now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	if _, err := k.identify(t.Context(), text); !errors.Is(err, ErrInvalid) {
		t.Errorf("after its end: %v, want ErrInvalid", err)
	}
}

func TestEveryWrongCharacterIsATypingMistake(t *testing.T) {
	k := NewKeys(redistest.Start(t).Client(t), zerolog.Nop())
	text, _ := operator(t, k)
	for i := len(keyPrefix); i < len(text); i++ {
		wrong := []byte(text)
		if wrong[i]++; wrong[i] == '{' {
			wrong[i] = 'a'
		}
		if _, err := k.identify(t.Context(), string(wrong)); !errors.Is(err, ErrMalformedKey) {
			t.Errorf("character %d changed: %v, want ErrMalformedKey", i, err)
		}
	}
	for _, wrong := range []string{"gg_", text[:len(text)-1], text + "0", "gg_" + strings.Repeat("_", keyLength-3)} {
		if _, err := k.identify(t.Context(), wrong); !errors.Is(err, ErrMalformedKey) {
			t.Errorf("%q: %v, want ErrMalformedKey", wrong, err)
		}
	}
	unknown, _, _ := newKey()
	if _, err := k.identify(t.Context(), unknown); !errors.Is(err, ErrInvalid) {
		t.Errorf("well-formed but unknown: %v, want ErrInvalid", err)
	}
}

func TestRequestsForKeysAreChecked(t *testing.T) {
	k := NewKeys(redistest.Start(t).Client(t), zerolog.Nop())
	none := rate.Rate{}
	for field, r := range map[string]Request{
		"role":            {Role: "king", Subject: "x"},
		"subject":         {Role: Rider},
		"label":           {Role: Rider, Subject: "x", Label: strings.Repeat("x", maxLabel+1)},
		"expires":         {Role: Rider, Subject: "x", Expires: -1},
		"upstream_budget": {Role: Rider, Subject: "x", UpstreamBudget: &none},
	} {
		_, _, err := k.Create(t.Context(), r)
		var wrong *InputError
		if !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("Create(%+v) = %v, want an InputError about %s", r, err, field)
		}
	}
}

func TestRevokedKeysAreRefusedEverywhereWithinTwoSeconds(t *testing.T) {
	server := redistest.Start(t)
	processes := make([]*Keys, 3)
	for i := range processes {
		processes[i] = NewKeys(server.Client(t), zerolog.Nop())
		running(t, processes[i].Run)
	}
	const limit = 2 * time.Second
	quickest := time.Hour // a busy machine may hold up some
	for range 5 {
		text, id := operator(t, processes[0])
		for _, k := range processes { // issued a moment ago, and known at once
			if _, err := k.identify(t.Context(), text); err != nil {
				t.Fatalf("identify = %v", err)
			}
		}
		if err := processes[1].Revoke(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		revoked := time.Now()
		for i, k := range processes {
			eventually(t, time.Minute, "the revoked key is refused", func() bool {
				_, err := k.identify(t.Context(), text)
				return errors.Is(err, ErrInvalid)
			})
			if c := k.peek(text); c != nil {
				t.Errorf("process %d still knows the revoked key", i)
			}
		}
		quickest = min(quickest, time.Since(revoked))
		if err := processes[2].Revoke(t.Context(), id); !errors.Is(err, ErrKeyNotFound) {
			t.Errorf("Revoke again = %v, want ErrKeyNotFound", err)
		}
	}
	if quickest > limit {
		t.Errorf("each key was refused everywhere after %v or more, want %v", quickest, limit)
	}
}

func TestOutageOfRedisLetsKnownKeysInAndNobodyElse(t *testing.T) {
	server := redistest.Start(t)
	k := NewKeys(server.Client(t), zerolog.Nop())
	text, _ := operator(t, k)
	running(t, k.Run)
	server.Stop()
	for range 3 {
		if _, err := k.identify(t.Context(), text); err != nil {
			t.Errorf("known key: %v", err)
		}
	}
	unknown, _, _ := newKey()
	if _, err := k.identify(t.Context(), unknown); !errors.Is(err, ErrUnavailable) {
		t.Errorf("unknown key: %v, want ErrUnavailable", err)
	}
	if _, _, err := k.Create(t.Context(), Request{Role: Rider, Subject: "x"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Create = %v, want ErrUnavailable", err)
	}
}

func TestListShowsUse(t *testing.T) {
	server := redistest.Start(t)
	k := NewKeys(server.Client(t), zerolog.Nop())
	l := NewLedger(server.Client(t), zerolog.Nop())
	text, id := operator(t, k)
	c, err := k.identify(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	today := time.Now()
	k.now = func() time.Time { return today }
	for daysAgo, requests := range map[int]int{40: 1000, 29: 2, 0: 5} {
		l.now = func() time.Time { return today.AddDate(0, 0, -daysAgo) }
		for i := range requests {
			l.Request(c, i%2 == 0)
		}
		l.UpstreamCall(c)
		if err := l.Write(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	list, err := k.List(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != id {
		t.Fatalf("List = %+v, %v", list, err)
	}
	if got, want := list[0].Today, (Use{5, 3, 1}); got != want {
		t.Errorf("today = %+v, want %+v", got, want)
	}
	if got, want := list[0].Last30Days, (Use{7, 4, 2}); got != want {
		t.Errorf("last 30 days = %+v, want %+v", got, want)
	}
	if list[0].LastUsedAt.IsZero() {
		t.Error("LastUsedAt is not set")
	}
}
