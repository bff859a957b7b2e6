package redisclient

import (
	"crypto/tls"
	"errors"
	"net/url"

	"github.com/redis/go-redis/v9"
)

// isSentinel reports whether a REDIS_URL names sentinels, which know where the
// primary is at the moment.
func isSentinel(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Query().Has("master_name")
}

// parseSentinelURL reads a REDIS_URL such as
//
//	redis://sentinel1:26379/0?master_name=primary&addr=sentinel2:26379&password=…
//
// User and password before the host are those of the sentinels.
func parseSentinelURL(text string) (*redis.UniversalOptions, error) {
	parsed, err := redis.ParseFailoverURL(text)
	if err != nil || parsed.MasterName == "" {
		return nil, errors.New("want redis:// or rediss:// with the address of a sentinel, master_name= and more sentinels as addr=")
	}
	options := usual()
	options.Addrs, options.MasterName, options.DB = parsed.SentinelAddrs, parsed.MasterName, parsed.DB
	options.Username, options.Password = parsed.Username, parsed.Password
	options.SentinelUsername, options.SentinelPassword = parsed.SentinelUsername, parsed.SentinelPassword
	if parsed.TLSConfig != nil {
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12} // each server by its own name
	}
	if parsed.PoolSize > 0 {
		options.PoolSize = parsed.PoolSize
	}
	return options, nil
}
