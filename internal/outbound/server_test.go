package outbound

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"
)

// TestGetReadsTheWholeBody does so with a length that was promised, and without.
func TestGetReadsTheWholeBody(t *testing.T) {
	for name, tt := range map[string]struct {
		length   int
		promised string // Content-Length; empty: none
		fails    bool
	}{
		"nothing":                     {0, "0", false},
		"promised":                    {1500, "1500", false},
		"at the limit of its room":    {maxPromised, strconv.Itoa(maxPromised), false},
		"above it":                    {maxPromised + 1, strconv.Itoa(maxPromised + 1), false},
		"without a length":            {1500, "", false},
		"less than promised":          {1499, "1500", true},
		"less than promised, a lot":   {1499, strconv.Itoa(maxPromised + 1), true},
		"as much as may come":         {maxBody, strconv.Itoa(maxBody), false},
		"more":                        {maxBody + 1, strconv.Itoa(maxBody + 1), true},
		"more than may come, in bits": {maxBody + 1, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			want := bytes.Repeat([]byte("x"), tt.length)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.promised != "" {
					w.Header().Set("Content-Length", tt.promised)
				}
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
				_, _ = w.Write(want)
			}))
			defer server.Close()
			client := NewClient()
			defer client.CloseIdleConnections()
			s := &Server{Base: server.URL, Client: client, Timeout: time.Minute}
			reply, err := s.Get(t.Context(), "/", "", "")
			switch {
			case tt.fails && !errors.Is(err, ErrInvalidAnswer):
				t.Errorf("err = %v, want %v", err, ErrInvalidAnswer)
			case !tt.fails && err != nil:
				t.Error(err)
			case !tt.fails && !bytes.Equal(reply.Body, want):
				t.Errorf("%d bytes came, want %d", len(reply.Body), len(want))
			}
		})
	}
}
