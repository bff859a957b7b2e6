package remote

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestReadError(t *testing.T) {
	tests := []struct{ name, body, want, code, hint string }{
		{"problem", `{"title":"Bad Request","status":400,"detail":"limit is 1 to 50","code":"invalid_limit","hint":"try 10"}`,
			"the server answered 400: limit is 1 to 50", "invalid_limit", "try 10"},
		{"nominatim", `{"error":{"code":400,"message":"Floating-point number expected"}}`,
			"the server answered 400: Floating-point number expected", "", ""},
		{"another status in the body", `{"status":200,"detail":"x"}`, "the server answered 400: x", "", ""},
		{"page", "<html>no</html>", "the server answered 400", "", ""},
		{"nothing", "", "the server answered 400", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ReadError(http.StatusBadRequest, []byte(tt.body))
			if got.Error() != tt.want || got.Code != tt.code || got.Hint != tt.hint {
				t.Errorf("ReadError(%s) = %v, %+v, want %q, code %q, hint %q", tt.body, got, *got, tt.want, tt.code, tt.hint)
			}
		})
	}
}

func TestSend(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.Method + " " + r.URL.String() + " " + r.UserAgent() + " " + r.Header.Get("Range")))
	}))
	defer server.Close()
	var refused *StatusError
	if _, err := (Server{URL: server.URL}).Get(t.Context(), "/"); !errors.As(err, &refused) || refused.Status != http.StatusTeapot {
		t.Errorf("Get = %v, want status 418", err)
	}
	for _, base := range []string{server.URL, server.URL + "/"} {
		s := Server{URL: base, UserAgent: "geogate/test"}
		res, err := s.Send(t.Context(), http.MethodGet, "/search?q=a+b", nil, http.Header{"Range": {"bytes=1-"}})
		if err != nil {
			t.Fatal(err)
		}
		body, err := ReadBody(res.Body)
		_ = res.Body.Close()
		if want := "GET /search?q=a+b geogate/test bytes=1-"; err != nil || string(body) != want || res.StatusCode != http.StatusTeapot {
			t.Errorf("%s answers %d, %q, %v, want 418 and %q", base, res.StatusCode, body, err, want)
		}
	}
}
