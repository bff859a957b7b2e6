package fleet

import (
	"context"
	"fmt"
	"strings"

	"geogate/internal/gossip"
)

// modeState is what gossip calls the mode. Another form of it needs another name.
const modeState = "mode"

// Gossip has this process gossip with others: the mode, and what else travels with it.
// Call it before everything else. The name in c is set here.
func (f *Fleet) Gossip(c gossip.Config, more ...gossip.State) {
	c.Name = f.self.Name
	mode := gossip.State{
		Name:  modeState,
		Whole: func() []byte { return f.Value().text() },
		Merge: func(text []byte) []byte {
			if v, ok := parseText(text); ok {
				f.take(v) // which spreads what is news
			}
			return nil
		},
	}
	f.mesh = gossip.New(c, append([]gossip.State{mode}, more...)...)
}

// Gossips tells whether this process gossips.
func (f *Fleet) Gossips() bool { return f.mesh != nil }

// Spread has gossip carry a change of the state of that name; nothing happens where
// there is none.
func (f *Fleet) Spread(name string, change []byte) {
	if f.mesh != nil {
		f.mesh.Spread(name, change)
	}
}

// Open begins to listen for gossip, if there is any. Call Run whenever it has returned
// nil.
func (f *Fleet) Open() error {
	if f.mesh == nil {
		return nil
	}
	f.mesh.Tell(f.about(f.Value().Generation))
	if err := f.mesh.Open(); err != nil {
		return fmt.Errorf("join fleet: %w", err)
	}
	return nil
}

// Join learns the mode from whoever answers, Redis or other processes, within some
// seconds. Without an answer the mode stays what it was, and Run goes on trying.
func (f *Fleet) Join(ctx context.Context) {
	if f.mesh != nil {
		if err := f.mesh.Join(ctx); err != nil {
			f.log.Debug().Err(err).Msg("no other process found yet")
		}
	}
	if err := f.Look(ctx); err != nil {
		f.log.Debug().Err(err).Msg("mode not looked up")
	}
}

// catchUp asks the others what a process has missed that was stopped.
func (f *Fleet) catchUp(ctx context.Context) {
	if f.mesh == nil || f.Current() {
		return
	}
	if err := f.mesh.Catch(ctx); err != nil {
		f.log.Debug().Err(err).Msg("not caught up by gossip")
	}
}

// spread tells the others of the value, and that this process knows it.
func (f *Fleet) spread(v Value) {
	if f.mesh != nil {
		f.mesh.Spread(modeState, v.text())
		f.mesh.Tell(f.about(v.Generation))
	}
}

// about is what the others know of this process.
func (f *Fleet) about(generation uint64) gossip.About {
	return gossip.About{Address: f.self.Address, Version: f.self.Version, StartedAt: f.self.StartedAt, Generation: generation}
}

// separator stands between the fields of a value on its way: it is in none of them.
const separator = "\x00"

// text is the value on its way to another process, in less than a packet.
func (v Value) text() []byte {
	var fields []string
	for _, field := range v.fields() {
		fields = append(fields, fmt.Sprint(field))
	}
	return []byte(strings.Join(fields, separator))
}

// parseText reports false for what is no value.
func parseText(text []byte) (Value, bool) {
	var fields []any
	for field := range strings.SplitSeq(string(text), separator) {
		fields = append(fields, field)
	}
	v := parse(fields)
	return v, v.Mode != ""
}
