package jobs

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A client that keeps the least rate on average may take as long as it likes, and
// one that does not is cut off soon.
func TestPaceOfUploads(t *testing.T) {
	tests := []struct {
		name  string
		bytes int           // sent at a time
		every time.Duration // the pause after that
		times int
		cut   time.Duration // when the upload is cut off at the latest; 0: never
	}{
		{"one byte a second", 1, time.Second, 300, 31 * time.Second},
		{"a byte every 29 seconds", 1, 29 * time.Second, 20, 31 * time.Second},
		{"half the least rate", leastRate / 2, time.Second, 300, 62 * time.Second},
		{"a little more than the least rate", leastRate + 100, time.Second, 3600, 0},
		{"pauses of 25 seconds between large pieces", 30 * leastRate, 25 * time.Second, 100, 0},
		{"a burst and then nothing", 1 << 20, time.Hour, 2, 31 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var sender sync.WaitGroup
				defer sender.Wait()
				sender.Go(func() {
					defer client.Close() // the reader sees the end
					for range tt.times {
						if _, err := client.Write(make([]byte, tt.bytes)); err != nil {
							return
						}
						<-time.After(tt.every)
					}
				})
				body := &pacedBody{ctx: t.Context(), r: server, set: server.SetReadDeadline, pace: newPace()}
				began := time.Now()
				n, err := io.Copy(io.Discard, body)
				took := time.Since(began)
				_ = server.Close()
				switch {
				case tt.cut == 0 && (err != nil || n != int64(tt.bytes*tt.times)):
					t.Errorf("%d bytes after %s, %v, want all %d", n, took, err, tt.bytes*tt.times)
				case tt.cut > 0 && (!errors.Is(err, os.ErrDeadlineExceeded) || took > tt.cut):
					t.Errorf("%v after %s, want the end within %s", err, took, tt.cut)
				}
			})
		})
	}
}

// What geogate does between two reads costs the client nothing.
func TestSlowServerDoesNotCutUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		go func() {
			_, _ = client.Write(make([]byte, 1000))
		}()
		defer client.Close() // at the end of the test
		body := &pacedBody{ctx: t.Context(), r: io.LimitReader(server, 1000), set: server.SetReadDeadline, pace: newPace()}
		total := 0
		for {
			n, err := body.Read(make([]byte, 100))
			total += n
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("after %d bytes: %v", total, err)
			}
			<-time.After(time.Minute)
		}
		if total != 1000 {
			t.Errorf("%d bytes, want 1000", total)
		}
	})
}

// A client that reads a result too slowly is cut off.
func TestPaceOfDownloads(t *testing.T) {
	for name, tt := range map[string]struct {
		every time.Duration // the client's pause after each KiB
		cut   bool
	}{"as slow as may be": {time.Second / 17, false}, "slower": {time.Second, true}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				var reader sync.WaitGroup
				defer reader.Wait()
				reader.Go(func() {
					defer client.Close() // the writer sees the end
					for {
						if _, err := io.ReadFull(client, make([]byte, 1<<10)); err != nil {
							return
						}
						<-time.After(tt.every)
					}
				})
				out := &pacedWriter{ctx: t.Context(), w: server, set: server.SetWriteDeadline, pace: newPace()}
				began := time.Now()
				n, err := out.Write(make([]byte, 8<<20))
				_ = server.Close()
				if cut := errors.Is(err, os.ErrDeadlineExceeded); cut != tt.cut || cut && time.Since(began) > 2*paceWindow {
					t.Errorf("%d bytes in %s, %v, want cut off: %v", n, time.Since(began), err, tt.cut)
				}
			})
		})
	}
}

func TestPaceEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errStopping)
	body := &pacedBody{ctx: ctx, r: nil, set: func(time.Time) error { return nil }, pace: newPace()}
	if _, err := body.Read(nil); !errors.Is(err, errStopping) {
		t.Errorf("Read = %v, want errStopping", err)
	}
}
