package machine

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	text := Describe(t.Context(), []string{"echo", "one 1.0\nmore"}, []string{"no-such-program"})
	for _, want := range []string{"- date: ", "- machine: ", "cores, Linux ", "one 1.0; ", "no-such-program"} {
		if !strings.Contains(text, want) {
			t.Errorf("Describe lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "more") {
		t.Errorf("Describe has more than the first line of a version:\n%s", text)
	}
}

func TestProcessorTime(t *testing.T) {
	for used := time.Duration(0); used == 0; {
		var err error
		if used, err = ProcessorTime(os.Getpid()); err != nil { // reading it uses some
			t.Fatal(err)
		}
	}
}

func TestResident(t *testing.T) {
	if size := Resident(os.Getpid()); size < 1<<20 || size > 1<<34 {
		t.Errorf("this process holds %d bytes", size)
	}
	if size := Resident(-1); size != 0 {
		t.Errorf("a process that is not there holds %d bytes", size)
	}
}

func TestAwaitOK(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	if err := AwaitOK(t.Context(), server.URL); err != nil || asked.Load() != 3 {
		t.Errorf("AwaitOK = %v after %d requests, want nil after 3", err, asked.Load())
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Await(ctx, func(context.Context) error { return errors.New("no") }); err == nil {
		t.Error("Await ends without an answer and without an error")
	}
}
