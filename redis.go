package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"github.com/rs/zerolog"

	"geogate/internal/embedded"
)

const (
	redisDialTimeout  = 2 * time.Second
	redisReadTimeout  = 250 * time.Millisecond
	redisPoolTimeout  = 500 * time.Millisecond
	redisMaxRetries   = 1
	defaultPoolSize   = 8 // Heroku's smallest plan allows 20 connections in all
	maxConnIdle       = 4 * time.Minute
	patientTimeout    = 5 * time.Second
	builtInRedisLabel = "built in (single instance, nothing kept on disk)"
)

// redisLog passes on what go-redis itself complains of. Every failure reaches
// the caller as an error as well, so it is of interest in a search for causes
// only.
type redisLog struct{ log zerolog.Logger }

func (l redisLog) Printf(_ context.Context, format string, v ...any) {
	l.log.Debug().Str("err", fmt.Sprintf(format, v...)).Msg("redis client complained")
}

// redisServer is the Redis that everything talks to, built in or not.
type redisServer struct {
	redis.UniversalClient
	label   string           // for people, without credentials
	builtIn *embedded.Server // nil with a real server
	patient bool
}

// openPatientRedis is openRedis where nobody waits for an answer: a Redis that
// is slow for a moment is better waited for than gone on without, which would
// ask the geocoder what is already known.
func openPatientRedis(cfg Config) (*redisServer, error) {
	rdb, err := openRedis(cfg)
	if err != nil || rdb.builtIn != nil {
		return rdb, err
	}
	options, err := redisOptions(cfg)
	if err != nil {
		return nil, err
	}
	options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = patientTimeout, patientTimeout, patientTimeout
	_ = rdb.UniversalClient.Close() // has no connection yet
	rdb.UniversalClient, rdb.patient = redis.NewUniversalClient(options), true
	return rdb, nil
}

// openRedis returns a client; it does not wait for the server to be there.
func openRedis(cfg Config) (*redisServer, error) {
	if cfg.RedisURL == "" {
		server := embedded.New()
		return &redisServer{
			UniversalClient: server.Client(redis.Options{
				ContextTimeoutEnabled: true,
				DisableIdentity:       true,
				ReadTimeout:           patientTimeout, // no network to give up on, but slow large searches
				PoolSize:              64,
				MaintNotificationsConfig: &maintnotifications.Config{
					Mode: maintnotifications.ModeDisabled,
				},
			}),
			label:   builtInRedisLabel,
			builtIn: server,
		}, nil
	}
	options, err := redisOptions(cfg)
	if err != nil {
		return nil, err
	}
	return &redisServer{
		UniversalClient: redis.NewUniversalClient(options),
		label:           redisLabel(options),
	}, nil
}

// redisOptions reads REDIS_URL. Its errors never repeat the URL, which may hold
// a password.
func redisOptions(cfg Config) (*redis.UniversalOptions, error) {
	parsed, err := redis.ParseClusterURL(string(cfg.RedisURL))
	if err != nil {
		return nil, errors.New("REDIS_URL: want redis:// or rediss:// with a host, several addr= parameters for a cluster")
	}
	options := &redis.UniversalOptions{
		Addrs:                 parsed.Addrs,
		Username:              parsed.Username,
		Password:              parsed.Password,
		TLSConfig:             parsed.TLSConfig,
		IsClusterMode:         len(parsed.Addrs) > 1,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		DialTimeout:           redisDialTimeout,
		DialerRetries:         1, // callers retry or go on without; waiting inside the pool only delays them
		ReadTimeout:           redisReadTimeout,
		WriteTimeout:          redisReadTimeout,
		PoolTimeout:           redisPoolTimeout,
		MaxRetries:            redisMaxRetries,
		PoolSize:              defaultPoolSize,
		ConnMaxIdleTime:       maxConnIdle,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	if !options.IsClusterMode {
		single, err := redis.ParseURL(string(cfg.RedisURL))
		if err != nil {
			return nil, errors.New("REDIS_URL: want redis:// or rediss:// with a host and, if any, a database number")
		}
		options.DB = single.DB
	}
	if parsed.PoolSize > 0 {
		options.PoolSize = parsed.PoolSize
	}
	if options.TLSConfig != nil {
		options.TLSConfig.MinVersion = tls.VersionTLS12
		options.TLSConfig.InsecureSkipVerify = cfg.RedisTLSSkipVerify // asked for by name; Heroku's Redis has a self-signed one
	}
	return options, nil
}

// redisLabel names the server without its credentials.
func redisLabel(o *redis.UniversalOptions) string {
	label := strings.Join(o.Addrs, ", ")
	if o.IsClusterMode {
		label = "cluster of " + label
	}
	if o.TLSConfig != nil {
		label += " over TLS"
		if o.TLSConfig.InsecureSkipVerify {
			label += ", certificate not checked"
		}
	}
	return label
}

// budget is the time that a geocode may spend on Redis, 0 for the usual. The
// built-in one cannot be away; on a busy machine it is as slow as the rest.
func (r *redisServer) budget() time.Duration {
	if r.builtIn != nil || r.patient {
		return patientTimeout
	}
	return 0
}

// ping asks whether Redis answers.
func (r *redisServer) ping(ctx context.Context) error { return r.Ping(ctx).Err() }

// version returns what the server calls itself, such as "7.0.15".
func (r *redisServer) version(ctx context.Context) (string, error) {
	info, err := r.info(ctx)
	if err != nil {
		return "", err
	}
	for _, field := range []string{"valkey_version", "redis_version"} {
		if v := info[field]; v != "" {
			return v, nil
		}
	}
	return "", errors.New("INFO tells no version")
}

// info returns the fields of INFO.
func (r *redisServer) info(ctx context.Context) (map[string]string, error) {
	text, err := r.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("ask redis: %w", err)
	}
	fields := map[string]string{}
	for line := range strings.SplitSeq(text, "\r\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			fields[name] = value
		}
	}
	return fields, nil
}

// Close ends the client, then the built-in server if there is one.
func (r *redisServer) Close() error {
	err := r.UniversalClient.Close()
	if r.builtIn != nil {
		r.builtIn.Close()
	}
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("close redis: %w", err)
	}
	return nil
}
