package config

import (
	"fmt"
	"testing"
)

func TestNATSHosts(t *testing.T) {
	for url, want := range map[NATSURL]string{
		"":                               "[]",
		"nats://user:hunter2@a":          "[a]",
		"nats://a:4222, tls://u:p@[::1]": "[a:4222 [::1]]",
	} {
		if got := fmt.Sprint(url.Hosts()); got != want {
			t.Errorf("Hosts() of %q = %s, want %s", string(url), got, want)
		}
	}
}
