package exchange

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is refused is not looked at any further and holds no share of large bodies, but
// goes by, so that the client can hear the answer.
func TestLargeBodyIsRefusedAsItComes(t *testing.T) {
	refusal := NewProblem(http.StatusRequestEntityTooLarge, "too_many", "too many")
	for _, parts := range []int{1, 3} {
		body := strings.NewReader(strings.Repeat("1,", 1<<19))
		r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(body))
		w := httptest.NewRecorder()
		ex := New(w, r, nil)
		bodies, seen := NewLargeBodies(), 0
		_, _, err := bodies.Read(w, r.WithContext(ex), 1<<20, func([]byte) error {
			if seen++; seen == parts {
				return refusal
			}
			return nil
		})
		if !errors.Is(err, refusal) {
			t.Errorf("refused at part %d: error %v, want %v", parts, err, refusal)
		}
		if seen != parts || body.Len() > 0 {
			t.Errorf("refused at part %d: %d parts were looked at, %d bytes left", parts, seen, body.Len())
		}
		if bodies.shares.Held() != 0 {
			t.Errorf("refused at part %d: a share is held", parts)
		}
	}
}
