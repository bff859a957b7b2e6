package redisclient

import (
	"strings"
	"testing"
	"time"

	"geogate/internal/asynctest"
	"geogate/internal/redistest"
)

func TestParseSentinelURL(t *testing.T) {
	options, err := ParseURL("rediss://watch:hunter1@a:26379/2?master_name=primary&addr=b:26379&username=app&password=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(options.Addrs, " ") != "a:26379 b:26379" || options.MasterName != "primary" || options.DB != 2 ||
		options.SentinelPassword != "hunter1" || options.Username != "app" || options.Password != "hunter2" || options.TLSConfig == nil {
		t.Errorf("ParseURL = %+v", options)
	}
	c := Open(options)
	defer func() { _ = c.Close() }()
	if want := "primary of the sentinels a:26379, b:26379 over TLS"; c.Label() != want {
		t.Errorf("label %q, want %q", c.Label(), want)
	}
	for _, bad := range []string{"redis://a?master_name=", "redis://:hunter2@a?master_name=m&addr=b", "http://:hunter2@a?master_name=m"} {
		if _, err := ParseURL(bad); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("ParseURL(%q) = %v, want an error without the password", bad, err)
		}
	}
}

// When the primary is gone, the sentinels promote the replica, and the client goes on
// with it.
func TestSentinelFailover(t *testing.T) {
	s := redistest.StartSentinels(t)
	options, err := ParseURL("redis://" + s.Addrs[0] + "/0?master_name=" + redistest.MasterName + "&addr=" + strings.Join(s.Addrs[1:], "&addr="))
	if err != nil {
		t.Fatal(err)
	}
	c := Open(options)
	defer func() { _ = c.Close() }()
	asynctest.Within(t, time.Minute, "the primary takes writes", func() bool {
		return c.Set(t.Context(), "ride", "acknowledged", 0).Err() == nil
	})
	replica := s.Replica.Client(t)
	asynctest.Within(t, time.Minute, "replicated", func() bool { return replica.Get(t.Context(), "ride").Val() == "acknowledged" })
	s.LosePrimary(t)
	asynctest.Within(t, time.Minute, "the promoted replica takes writes", func() bool {
		return c.Set(t.Context(), "afterwards", "1", 0).Err() == nil
	})
	if got := c.Get(t.Context(), "ride").Val(); got != "acknowledged" {
		t.Errorf("after the failover the ride is %q", got)
	}
}

// A certificate that nobody has signed is refused, unless REDIS_TLS_SKIP_VERIFY is set.
func TestTLS(t *testing.T) {
	_, secure := redistest.StartTLS(t)
	for _, skip := range []bool{false, true} {
		options, err := ParseURL("rediss://" + secure)
		if err != nil {
			t.Fatal(err)
		}
		if skip {
			SkipVerify(options)
		}
		c := Open(options)
		err = c.Answers(t.Context())
		if answers := err == nil; answers != skip || !skip && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("certificate not checked: %t: %v", skip, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}
