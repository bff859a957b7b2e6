package rides_test

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"geogate/gateway/gatewaytest"
)

// A million elements cost what their bytes cost, however many clients send them.
func TestMillionElementsStayOutOfMemory(t *testing.T) {
	const (
		clients = 30
		most    = 200 << 20 // bytes of heap; decoded at once, it was 1 GiB and more
	)
	f := gatewaytest.New(t)
	body := "[" + strings.Repeat("1,", 999_999) + "1]"
	stop, peak := make(chan struct{}), make(chan uint64)
	go func() {
		var highest uint64
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				highest = max(highest, m.HeapInuse)
			case <-stop:
				peak <- highest
				return
			}
		}
	}()
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			got := f.Do(t, "POST /tracking", body)
			if got.StatusCode != 413 && got.StatusCode != 429 {
				t.Errorf("status %d %.200s, want 413, or 429 for too many at once", got.StatusCode, got.Text)
			}
		})
	}
	all.Wait()
	close(stop)
	highest := <-peak
	t.Logf("%d MiB of heap at most", highest>>20)
	if highest > most {
		t.Errorf("%d MiB of heap, want at most %d", highest>>20, most>>20)
	}
}

// Places come with coordinates as strings, and those must do wherever a
// position is given.
func TestCoordinatesMayBeStrings(t *testing.T) {
	f := gatewaytest.New(t)
	for line, body := range map[string]string{
		"POST /tracking":  `[{"id":"1","lat":"47.14","lng":"9.52"}]`,
		"POST /search":    `{"lat":"47.14","lon":"9.52"}`,
		"POST /v2/search": `{"lat":"47.14","lng":"9.52"}`,
		"POST /api":       `{"lat":"47.14","lon":"9.52"}`,
	} {
		if got := f.Do(t, line, body); got.StatusCode != 200 {
			t.Errorf("%s %s = %d %s, want 200", line, body, got.StatusCode, got.Text)
		}
	}
}

// Two equal names are an ambiguity, not a matter of which comes last.
func TestOneNameCountsOnce(t *testing.T) {
	f := gatewaytest.New(t)
	var answer struct {
		Accepted int
		Rejected []struct{ ID, Code string }
	}
	f.Do(t, "POST /tracking", `[{"id":"a","lat":1,"lng":1},{"id":"b","lat":1,"lng":1,"id":"c"},{"id":"d","LAT":1,"lng":1},{"id":"e","lat":1,"lng":1,"tag\u017f":[]}]`).JSON(t, &answer)
	if answer.Accepted != 1 || len(answer.Rejected) != 3 || answer.Rejected[0].Code != "duplicate_field" ||
		answer.Rejected[1].Code != "unknown_field" || answer.Rejected[2].Code != "unknown_field" {
		t.Errorf("%+v, want 1 accepted, and duplicate_field, unknown_field, unknown_field", answer)
	}
}
