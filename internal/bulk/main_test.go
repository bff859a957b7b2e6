package bulk

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/rs/zerolog"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

// world is a Redis, a store and a geocoder for jobs to run in.
type world struct {
	rdb    redis.UniversalClient
	store  Store
	bell   *Bell
	master *Master
	town   *town
}

func newWorld(t testing.TB) *world {
	t.Helper()
	rdb := redistest.Start(t).Client(t)
	return worldOf(t, rdb, NewRedisStore(rdb, ""), Config{})
}

func worldOf(t testing.TB, rdb redis.UniversalClient, store Store, cfg Config) *world {
	t.Helper()
	w := &world{rdb: rdb, store: store, bell: NewBell(RedisTransport(rdb, ""), zerolog.Nop()), town: newTown()}
	w.master = NewMaster(rdb, store, w.bell, cfg)
	asynctest.Background(t, w.bell.Run)
	return w
}

// worlds runs a test with every kind of Redis and every store.
func worlds(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	t.Run("redis", func(t *testing.T) { test(t, newWorld(t)) })
	t.Run("directory", func(t *testing.T) {
		store, err := NewDirStore(t.TempDir() + "/jobs")
		if err != nil {
			t.Fatal(err)
		}
		test(t, worldOf(t, redistest.Start(t).Client(t), store, Config{}))
	})
	t.Run("built-in redis", func(t *testing.T) {
		rdb := redistest.BuiltIn(t)
		test(t, worldOf(t, rdb, NewRedisStore(rdb, ""), Config{}))
	})
}

func (w *world) worker(t testing.TB, cfg WorkerConfig) (stop func()) {
	t.Helper()
	return asynctest.Background(t, NewWorker(w.rdb, w.store, w.bell, w.town.plan, cfg).Run)
}

func (w *world) create(t testing.TB, body string, o Options) Job {
	t.Helper()
	job, err := w.master.Create(context.Background(), Upload{Body: strings.NewReader(body), Options: o})
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// patience is how long anything in these tests may take.
const patience = 60 * time.Second

func (w *world) finished(t testing.TB, id string) Job {
	t.Helper()
	return w.until(t, id, func(j Job) bool { return j.State.Ended() })
}

func (w *world) until(t testing.TB, id string, reached func(Job) bool) Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	job, err := w.master.Job(ctx, id)
	for err == nil && !reached(job) && ctx.Err() == nil {
		job, err = w.master.Wait(ctx, id, job.Version)
	}
	if err != nil || ctx.Err() != nil {
		t.Fatalf("job %+v: %v %v", job, err, ctx.Err())
	}
	return job
}

func (w *world) result(t testing.TB, id string, r Rendering) string {
	t.Helper()
	result, err := w.master.Result(context.Background(), id, r)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(result)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(text)) != result.Len() {
		t.Errorf("result has %d bytes, announced %d", len(text), result.Len())
	}
	return string(text)
}

// records reads a CSV result into one map a row.
func records(t testing.TB, text string) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatalf("result is no CSV: %v\n%s", err, text)
	}
	var list []map[string]string
	for _, cells := range all[1:] {
		m := map[string]string{}
		for i, name := range all[0] {
			m[name] = cells[i]
		}
		list = append(list, m)
	}
	return list
}

// town is a geocoder in the process, with a cache before it: it stands for
// gateway.Geocoder, with which package gateway tests the same. It keeps what was
// asked.
type town struct {
	held   time.Duration                                      // for how long the cache holds an answer; 0: not at all
	before func(ctx context.Context, call int, q Query) error // may fail or wait

	mu    sync.Mutex
	asked map[string]int
	calls int
}

func newTown() *town {
	return &town{held: 24 * time.Hour, asked: map[string]int{}}
}

var errBadQuery = errors.New("bad query")

func (g *town) plan(q Query) (Request, error) {
	if q.Q == "unplannable" {
		return Request{}, errBadQuery
	}
	key := strings.ToLower(fmt.Sprintf("%s|%s|%g|%g|%d|%s|%s", q.Mode, q.Q, q.Lat, q.Lon, q.Limit, q.Language, q.CountryCodes))
	return Request{Key: key, Ask: func(ctx context.Context) (Answer, error) { return g.ask(ctx, key, q) }}, nil
}

func (g *town) ask(ctx context.Context, key string, q Query) (Answer, error) {
	g.mu.Lock()
	g.calls++
	call, before := g.calls, g.before
	g.mu.Unlock()
	if before != nil {
		if err := before(ctx, call, q); err != nil {
			return Answer{}, err
		}
	}
	g.mu.Lock()
	cached := g.held > 0 && g.asked[key] > 0
	if !cached {
		g.asked[key]++
	}
	g.mu.Unlock()
	switch {
	case strings.HasPrefix(q.Q, "nowhere"):
		return Answer{Outcome: OutcomeEmpty, Provider: "town", Cached: cached, Held: g.held}, nil
	case strings.HasPrefix(q.Q, "refused"):
		return Answer{Outcome: OutcomeInvalid, Provider: "town"}, nil
	}
	return Answer{
		Cached: cached, Held: g.held,
		Outcome: OutcomeFound, Provider: "town",
		Place: Place{Lat: "47.14", Lon: "-9.52", DisplayName: "Place of " + q.Q + `, "Liechtenstein"`, Type: "city", Importance: "0.5"},
	}, nil
}

func (g *town) askedMost() (questions, most int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range g.asked {
		most = max(most, n)
	}
	return len(g.asked), most
}

// streets is a CSV file of n rows with a header, built while it is read.
func streets(n int, line func(i int) string) io.Reader {
	return &lines{n: n, line: line, buf: []byte("id,address,note\n")}
}

type lines struct {
	n, at int
	line  func(i int) string
	buf   []byte
}

func (l *lines) Read(p []byte) (int, error) {
	for len(l.buf) < len(p) && l.at < l.n {
		l.buf = append(l.buf, l.line(l.at)...)
		l.at++
	}
	n := copy(p, l.buf)
	if l.buf = l.buf[n:]; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// clientLike returns another client of the server that rdb talks to.
func clientLike(t testing.TB, rdb redis.UniversalClient) *redis.Client {
	t.Helper()
	single, isSingle := rdb.(*redis.Client)
	if !isSingle {
		t.Fatal("not a single server")
	}
	return redistest.ClientAt(t, single.Options().Addr)
}
