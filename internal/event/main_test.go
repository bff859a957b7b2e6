package event_test

import (
	"context"
	"testing"

	"geogate/internal/asynctest"
	"geogate/internal/event"
)

func TestMain(m *testing.M) { asynctest.Main(m) }

func publish(t testing.TB, l *event.Log, p event.Publication) string {
	t.Helper()
	if p.Data == nil {
		p.Data = []byte(`{}`)
	}
	id, _, err := l.Publish(context.Background(), p)
	if err != nil {
		t.Fatalf("Publish(%+v): %v", p, err)
	}
	return id
}
