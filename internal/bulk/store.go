package bulk

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"
)

// Store keeps the blobs of jobs: the chunks of the upload and their answers. A
// blob is written once under a name of its own and never changed.
//
// Errors are errNoBlob, or ErrUnavailable wrapped. All methods are safe for
// concurrent use by any number of processes.
type Store interface {
	// Create makes room for a job, which is erased after life unless Keep is
	// called.
	Create(ctx context.Context, job string, life time.Duration) error
	// Keep makes the blobs of a job live for another life from now.
	Keep(ctx context.Context, job string, life time.Duration) error
	// Put stores a blob. For a job that was not created, or was erased, it
	// returns errNoBlob and stores nothing.
	Put(ctx context.Context, job, name string, blob []byte) error
	Get(ctx context.Context, job, name string) ([]byte, error)
	Remove(ctx context.Context, job string, names ...string) error
	// Erase removes a job with everything in it; it is no error when there is
	// nothing.
	Erase(ctx context.Context, job string) error
	// Sweep erases what has outlived its life where that does not happen by
	// itself.
	Sweep(ctx context.Context) error
}

var errNoBlob = errors.New("no such blob")

// RedisStore keeps blobs in Redis: one hash a job, so that a job goes as one.
type RedisStore struct {
	rdb       redis.UniversalClient
	namespace string
}

// NewRedisStore returns a store in rdb, whose keys begin with namespace; empty:
// geogate.
func NewRedisStore(rdb redis.UniversalClient, namespace string) *RedisStore {
	return &RedisStore{rdb: rdb, namespace: namespaceOr(namespace)}
}

func (s *RedisStore) key(job string) string { return s.namespace + ":job:{" + job + "}:blobs" }

// created is a field that keeps the hash there before it has blobs.
const created = "created"

// Create implements Store.
func (s *RedisStore) Create(ctx context.Context, job string, life time.Duration) error {
	_, err := s.rdb.Pipelined(ctx, func(p redis.Pipeliner) error {
		p.HSet(ctx, s.key(job), created, "")
		p.PExpire(ctx, s.key(job), life)
		return nil
	})
	return storeError("create", err)
}

// Keep implements Store.
func (s *RedisStore) Keep(ctx context.Context, job string, life time.Duration) error {
	there, err := s.rdb.PExpire(ctx, s.key(job), life).Result()
	if err == nil && !there {
		return errNoBlob
	}
	return storeError("keep", err)
}

// Put implements Store.
func (s *RedisStore) Put(ctx context.Context, job, name string, blob []byte) error {
	stored, err := putScript.Run(ctx, s.rdb, []string{s.key(job)}, name, blob).Int()
	if err == nil && stored == 0 {
		return errNoBlob
	}
	return storeError("write", err)
}

// Get implements Store.
func (s *RedisStore) Get(ctx context.Context, job, name string) ([]byte, error) {
	blob, err := s.rdb.HGet(ctx, s.key(job), name).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, errNoBlob
	}
	return blob, storeError("read", err)
}

// Remove implements Store.
func (s *RedisStore) Remove(ctx context.Context, job string, names ...string) error {
	return storeError("remove", s.rdb.HDel(ctx, s.key(job), names...).Err())
}

// Erase implements Store. The key is gone at once; Redis frees the memory in
// the background.
func (s *RedisStore) Erase(ctx context.Context, job string) error {
	return storeError("erase", s.rdb.Unlink(ctx, s.key(job)).Err())
}

// Sweep implements Store: Redis does it.
func (s *RedisStore) Sweep(context.Context) error { return nil }

func storeError(verb string, err error) error { return redisError(verb+" blobs", err) }
