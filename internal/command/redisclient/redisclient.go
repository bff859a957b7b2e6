// Package redisclient opens the Redis that everything talks to: the server that
// REDIS_URL names, or the one built into this process.
package redisclient

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/rs/zerolog"

	"geogate/internal/embedded"
	"geogate/internal/headroom"
	"geogate/internal/turns"
)

const (
	dialTimeout = 2 * time.Second
	// readTimeout and poolTimeout are for those who have nothing without Redis, and
	// whose own deadline of 1.5 s leaves room for one retry: a machine that is short
	// of processor time delays answers by hundreds of milliseconds, and a ride must
	// not be refused for that. Whoever can do without Redis has a deadline of its
	// own, the cache one of 150 ms.
	readTimeout = 700 * time.Millisecond
	poolTimeout = 1500 * time.Millisecond
	maxRetries  = 1
	// defaultPoolSize is how many connections a process opens to a server, or to
	// each node of a cluster, besides one for each of its three subscriptions: to
	// the cache's events, to wake-ups of dispatch, and to the bell of jobs.
	// Heroku's smallest plan allows 20 in all, which is two processes.
	defaultPoolSize = 7
	// noPipelinePool sends pipelines over the same connections as everything
	// else. Otherwise go-redis opens ten more for them.
	noPipelinePool = -1
	maxConnIdle    = 4 * time.Minute
	patientTimeout = 5 * time.Second
	builtInLabel   = "built in (single instance, nothing kept on disk)"
)

// Client is a client of Redis, built in or not. It is safe for concurrent use.
type Client struct {
	redis.UniversalClient
	label   string
	tls     bool
	builtIn *embedded.Server // nil with a real server
	patient bool
}

// Open returns a client of the server that ParseURL has read, and of a new
// built-in one for nil. It does not wait for the server to be there. Close the
// client after use.
func Open(options *redis.UniversalOptions) *Client {
	if options == nil {
		server := embedded.New()
		return &Client{
			UniversalClient: server.Client(redis.Options{
				ContextTimeoutEnabled: true,
				DisableIdentity:       true,
				ReadTimeout:           patientTimeout, // no network to give up on, but slow large searches
				PoolSize:              64,
				PipelinePoolSize:      noPipelinePool,
				MaintNotificationsConfig: &maintnotifications.Config{
					Mode: maintnotifications.ModeDisabled,
				},
			}),
			label:   builtInLabel,
			builtIn: server,
		}
	}
	client := redis.NewUniversalClient(options)
	client.AddHook(fairly{turns.New(callsEach)})
	return &Client{
		UniversalClient: client,
		label:           label(options),
		tls:             options.TLSConfig != nil,
	}
}

// OpenPatient is Open for work that nobody waits for: it is better to wait for
// a Redis that is slow for a moment than to ask the geocoder what is already
// known.
func OpenPatient(options *redis.UniversalOptions) *Client {
	if options == nil {
		return Open(nil)
	}
	slow := *options
	slow.ReadTimeout, slow.WriteTimeout, slow.PoolTimeout = patientTimeout, patientTimeout, patientTimeout
	c := Open(&slow)
	c.patient = true
	return c
}

// ParseURL reads REDIS_URL; empty is nil, the built-in Redis. Its errors never
// repeat the URL, which may hold a password.
func ParseURL(url string) (*redis.UniversalOptions, error) {
	if url == "" {
		return nil, nil //nolint:nilnil // nothing to open, and nothing wrong
	}
	if isSentinel(url) {
		return parseSentinelURL(url)
	}
	parsed, err := redis.ParseClusterURL(url)
	if err != nil {
		return nil, errors.New("want redis:// or rediss:// with a host, several addr= parameters for a cluster")
	}
	options := usual()
	options.Addrs, options.IsClusterMode = parsed.Addrs, len(parsed.Addrs) > 1
	options.Username, options.Password, options.TLSConfig = parsed.Username, parsed.Password, parsed.TLSConfig
	if !options.IsClusterMode {
		single, err := redis.ParseURL(url)
		if err != nil {
			return nil, errors.New("want redis:// or rediss:// with a host and, if any, a database number")
		}
		options.DB = single.DB
	}
	if parsed.PoolSize > 0 {
		options.PoolSize = parsed.PoolSize
	}
	if options.TLSConfig != nil {
		options.TLSConfig.MinVersion = tls.VersionTLS12
	}
	return options, nil
}

// usual are the options that hold for every kind of server.
func usual() *redis.UniversalOptions {
	return &redis.UniversalOptions{
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		DialTimeout:           dialTimeout,
		DialerRetries:         1, // callers retry or go on without; waiting inside the pool only delays them
		ReadTimeout:           readTimeout,
		WriteTimeout:          readTimeout,
		PoolTimeout:           poolTimeout,
		MaxRetries:            maxRetries,
		PoolSize:              defaultPoolSize,
		PipelinePoolSize:      noPipelinePool,
		ConnMaxIdleTime:       maxConnIdle,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
}

// SkipVerify makes options accept any certificate, where there is TLS at all.
// Operators ask for it by name: Heroku's Redis has a self-signed one.
func SkipVerify(options *redis.UniversalOptions) {
	if options != nil && options.TLSConfig != nil {
		options.TLSConfig.InsecureSkipVerify = true
	}
}

// label names the server without its credentials.
func label(o *redis.UniversalOptions) string {
	label := strings.Join(o.Addrs, ", ")
	switch {
	case o.IsClusterMode:
		label = "cluster of " + label
	case o.MasterName != "":
		label = o.MasterName + " of the sentinels " + label
	}
	if o.TLSConfig != nil {
		label += " over TLS"
		if o.TLSConfig.InsecureSkipVerify {
			label += ", certificate not checked"
		}
	}
	return label
}

// Label names the server for people, without credentials.
func (c *Client) Label() string { return c.label }

// BuiltIn reports whether the server is the one in this process.
func (c *Client) BuiltIn() bool { return c.builtIn != nil }

// OverTLS reports whether the connection is encrypted.
func (c *Client) OverTLS() bool { return c.tls }

// Budget is the time that a geocode may spend on Redis, 0 for the default. The
// built-in server cannot be away; on a busy machine it is as slow as the rest.
func (c *Client) Budget() time.Duration {
	if c.builtIn != nil || c.patient {
		return patientTimeout
	}
	return 0
}

// RunClock drives the clock of the built-in server until ctx ends. With a real
// server it has nothing to do and returns at once.
func (c *Client) RunClock(ctx context.Context) error {
	if c.builtIn == nil {
		return nil
	}
	return c.builtIn.Run(ctx)
}

// Answers returns an error when Redis does not answer.
func (c *Client) Answers(ctx context.Context) error { return c.Ping(ctx).Err() }

// Version returns what the server calls itself, such as "7.0.15".
func (c *Client) Version(ctx context.Context) (string, error) {
	info, err := c.InfoFields(ctx)
	if err != nil {
		return "", err
	}
	for _, field := range []string{"valkey_version", "redis_version"} {
		if v := info[field]; v != "" {
			return v, nil
		}
	}
	return "", errors.New("INFO names no version")
}

// InfoFields returns the fields of INFO by name.
func (c *Client) InfoFields(ctx context.Context) (map[string]string, error) {
	text, err := c.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("ask redis: %w", err)
	}
	return infoFields(text), nil
}

func infoFields(text string) map[string]string {
	fields := map[string]string{}
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			fields[name] = value
		}
	}
	return fields
}

// Reserve says that this process keeps so many bytes in its memory besides Redis.
// Call it before Memory. It matters to the built-in server only.
func (c *Client) Reserve(bytes int64) {
	if c.builtIn != nil {
		c.builtIn.Reserve(bytes)
	}
}

// Memory returns how much of its memory the server uses, of a cluster the node
// with the least room. That of the built-in server is that of this process.
func (c *Client) Memory(ctx context.Context) (headroom.Usage, error) {
	if c.builtIn != nil {
		return c.builtIn.Memory(), nil
	}
	cluster, ok := c.UniversalClient.(*redis.ClusterClient)
	if !ok {
		return memory(ctx, c.UniversalClient)
	}
	var mu sync.Mutex // ForEachMaster calls for all nodes at once
	var fullest headroom.Usage
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		u, err := memory(ctx, node)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && (fullest == headroom.Usage{} || u.Fuller(fullest)) {
			fullest = u
		}
		return err
	})
	return fullest, err
}

// memory asks one server. What Redis does not count against its limit, such as
// the buffers of replicas, is left out.
func memory(ctx context.Context, rdb redis.Cmdable) (headroom.Usage, error) {
	text, err := rdb.Info(ctx, "memory").Result()
	if err != nil {
		return headroom.Usage{}, fmt.Errorf("ask redis for its memory: %w", err)
	}
	fields := infoFields(text)
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(fields[name], 10, 64) // 0 where a server does not tell
		return n
	}
	if fields["used_memory"] == "" {
		return headroom.Usage{}, errors.New("INFO names no used_memory")
	}
	return headroom.Usage{
		Used:  number("used_memory") - number("mem_not_counted_for_evict"),
		Limit: number("maxmemory"),
	}, nil
}

// Close closes the client, then the built-in server if there is one.
func (c *Client) Close() error {
	err := c.UniversalClient.Close()
	if c.builtIn != nil {
		c.builtIn.Close()
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}

// LogTo sends what go-redis itself complains about to log. Every failure also
// reaches the caller as an error, so these lines matter only in a search for
// causes. The setting holds for the whole process.
func LogTo(log zerolog.Logger) { redis.SetLogger(complaints{log}) }

type complaints struct{ log zerolog.Logger }

func (c complaints) Printf(_ context.Context, format string, v ...any) {
	c.log.Debug().Str("err", fmt.Sprintf(format, v...)).Msg("redis client complained")
}
