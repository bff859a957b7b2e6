package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"geogate/internal/gossip"
)

const (
	// noteEvery is how often a process says that it is there, besides at every change
	// of the mode.
	noteEvery = 5 * time.Second
	// heardLife is how long it counts as alive after that, and rememberedLife how long
	// it is listed.
	heardLife      = 3 * noteEvery
	rememberedLife = time.Minute
	// maxMembers is the most members that are listed.
	maxMembers = 1000
)

// The states of a member.
const (
	Alive       = "alive"
	Unreachable = "unreachable" // it has not been heard of for a while, and did not say that it stops
)

// Member is a process of the fleet.
type Member struct {
	Name       string    `json:"name"`
	Address    string    `json:"address"` // where it listens, as it sees it; empty: it is a worker
	Status     string    `json:"status"`
	Version    string    `json:"version"`
	StartedAt  time.Time `json:"started_at"`
	Generation uint64    `json:"generation"` // of the mode that it knows
}

// note says that this process is there, by the clock of Redis.
func (f *Fleet) note(ctx context.Context, generation uint64) error {
	ctx, cancel := context.WithTimeout(ctx, opTimeout)
	defer cancel()
	self := f.self
	self.Generation = generation
	text, err := json.Marshal(self)
	if err != nil {
		return fmt.Errorf("note member: %w", err)
	}
	if err := noteScript.Run(ctx, f.rdb, []string{membersKey}, self.Name, text, rememberedLife.Milliseconds(), maxMembers).Err(); err != nil {
		return fmt.Errorf("note member: %w", err)
	}
	return nil
}

// leave takes this process off the list.
func (f *Fleet) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, opTimeout/3)
	defer cancel()
	if err := f.rdb.HDel(ctx, membersKey, f.self.Name).Err(); err != nil {
		f.log.Debug().Err(err).Msg("left without a word")
	}
}

// Members are the processes that were heard of lately, this one among them, by name.
// After an error it is this one alone; where there is gossip there is none.
func (f *Fleet) Members(ctx context.Context) ([]Member, error) {
	self := f.self
	self.Generation = f.Value().Generation
	list, err := f.Others(ctx)
	list = append(list, self)
	slices.SortFunc(list, func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
	return list, err
}

// Others are the processes that were heard of lately without this one: by Redis, by
// gossip, or by both. Where there is gossip there is no error.
func (f *Fleet) Others(ctx context.Context) ([]Member, error) {
	noted, err := f.noted(ctx)
	if f.mesh == nil {
		return plain(noted), err
	}
	return merged(noted, f.mesh.Peers(), time.Now()), nil
}

// notedMember is a member as Redis knows it.
type notedMember struct {
	Member
	ago time.Duration // since it was heard of
}

// noted are the members that Redis knows, without this one.
func (f *Fleet) noted(ctx context.Context) ([]notedMember, error) {
	if f.rdb == nil {
		return nil, nil
	}
	ctx, cancel, err := f.asking(ctx)
	if err != nil {
		return nil, err
	}
	defer cancel()
	answer, err := membersScript.Run(ctx, f.rdb, []string{membersKey}).Slice()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var list []notedMember
	for _, line := range answer {
		m, err := memberOf(line)
		if err == nil && m.Name != f.self.Name {
			list = append(list, m)
		}
	}
	return list, nil
}

func plain(noted []notedMember) []Member {
	var list []Member
	for _, m := range noted {
		list = append(list, m.Member)
	}
	return list
}

// merged adds what gossip knows at the time now. A member is unreachable if Redis has
// not heard of it since gossip has lost it.
func merged(noted []notedMember, peers []gossip.Peer, now time.Time) []Member {
	list := plain(noted)
	for _, p := range peers {
		m := Member{Name: p.Name, Address: p.Address, Status: Alive, Version: p.Version, StartedAt: p.StartedAt, Generation: p.Generation}
		i := slices.IndexFunc(noted, func(n notedMember) bool { return n.Name == p.Name })
		if !p.LostAt.IsZero() && (i < 0 || noted[i].ago > now.Sub(p.LostAt)) {
			m.Status = Unreachable
		}
		if i < 0 {
			list = append(list, m)
			continue
		}
		list[i].Status = m.Status
		list[i].Generation = max(list[i].Generation, m.Generation)
	}
	return list
}

// memberOf reads a line of the script: how long ago the member was heard of, in
// milliseconds, and what it said.
func memberOf(line any) (m notedMember, err error) {
	text, _ := line.(string)
	ago, said, found := strings.Cut(text, " ")
	if !found {
		return m, errors.New("no member")
	}
	m.ago, err = time.ParseDuration(ago + "ms")
	if err == nil {
		err = json.Unmarshal([]byte(said), &m.Member)
	}
	if err != nil {
		return m, fmt.Errorf("read member: %w", err)
	}
	m.Status = Alive
	if m.ago > heardLife {
		m.Status = Unreachable
	}
	return m, nil
}
