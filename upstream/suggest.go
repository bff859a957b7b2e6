package upstream

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"geogate/upstream/provider"
)

// maxSuggesters is how many upstreams are asked for one suggestion: each of them is
// asked at every letter.
const maxSuggesters = 3

// Suggesters returns the names of the upstreams that Suggest asks besides the
// built-in places.
func (c *Chain) Suggesters() []string {
	var names []string
	for _, m := range c.suggesters() {
		names = append(names, m.spec.Name)
	}
	return names
}

// suggesters are the first few members that complete what is typed, and whose
// terms allow it.
func (c *Chain) suggesters() []*member {
	var able []*member
	for _, m := range c.members {
		if len(able) < maxSuggesters && m.spec.Policy.Autocomplete && m.suggests() {
			able = append(able, m)
		}
	}
	return able
}

// suggests reports whether a member completes what is typed. The built-in places
// do, but they are asked for every suggestion, whatever the members are.
func (m *member) suggests() bool {
	k, network := provider.KindOf(m.spec.Kind)
	return network && k.Serves(Suggest) || slices.Contains(fileKinds, m.spec.Kind)
}

// SuggestsLocally reports whether nobody is asked for suggestions over the
// network: they are then made faster than Redis answers.
func (c *Chain) SuggestsLocally() bool {
	return !slices.ContainsFunc(c.suggesters(), func(m *member) bool { return !m.spec.local() })
}

// SuggestIdentity is Identity for suggestions, which several providers make. It
// changes with the data of each of them.
func (c *Chain) SuggestIdentity() string {
	parts := []string{dataVersion(c.places)}
	for _, m := range c.suggesters() {
		parts = append(parts, m.spec.Kind+"+"+m.spec.address.Base, dataVersion(m.provider))
	}
	whole := strings.Join(parts, " ")
	if known := c.suggestIdentity.Load(); known != nil && known.data == whole {
		return known.text
	}
	sum := sha256.Sum256([]byte(whole))
	text := "suggest-" + hex.EncodeToString(sum[:6])
	c.suggestIdentity.Store(&identity{whole, text})
	return text
}

// Suggest completes what somebody is typing. It asks the built-in places and, at
// the same time, every upstream that may be asked: once, within its budget, and for
// no longer than wait. The answers come in the order of the chain, after that of
// the built-in places. missing says why one is not among them; nil: all are.
func (c *Chain) Suggest(ctx context.Context, r Request, wait time.Duration) (answers []Answer, missing error) {
	asked := c.suggesters()
	said := make([]Answer, len(asked)+1)
	errs := make([]error, len(asked)+1)
	// When the time is up it is the caller who leaves: an upstream that is too slow
	// for typing may be good enough for everything else.
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	var under sync.WaitGroup
	for i, m := range asked {
		under.Go(func() { said[i+1], errs[i+1] = m.geocode(ctx, r.AsTyped(), People, turn{wait: time.Now().Add(wait)}) })
	}
	if c.places != nil {
		said[0], errs[0] = c.places.Geocode(ctx, r)
	}
	under.Wait()
	for i, a := range said {
		if errs[i] == nil && a.Outcome == Found {
			answers = append(answers, a)
		}
		missing = cmp.Or(missing, errs[i])
	}
	return answers, missing
}
