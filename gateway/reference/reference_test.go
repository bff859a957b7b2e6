package reference_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"geogate/gateway/gatewaytest"
)

func TestPageIsServed(t *testing.T) {
	f := gatewaytest.New(t)
	if bare := f.Do(t, "GET /docs", ""); bare.StatusCode != 303 || bare.Header.Get("Location") != "/docs/" {
		t.Errorf("/docs = %d to %s, want 303 to /docs/", bare.StatusCode, bare.Header.Get("Location"))
	}
	for path, contentType := range map[string]string{
		"/docs/":                                 "text/html; charset=utf-8",
		"/docs/reference.js":                     "text/javascript; charset=utf-8",
		"/docs/reference.css":                    "text/css; charset=utf-8",
		"/docs/swagger-ui-bundle.js":             "text/javascript; charset=utf-8",
		"/docs/swagger-ui.css":                   "text/css; charset=utf-8",
		"/docs/swagger-ui.LICENSE.txt":           "text/plain; charset=utf-8",
		"/docs/swagger-ui-bundle.js.LICENSE.txt": "text/plain; charset=utf-8",
	} {
		res := f.Do(t, "GET "+path, "")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != contentType {
			t.Errorf("%s = %d %v", path, res.StatusCode, res.Header)
		}
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "connect-src 'self'") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s has the policy %q", path, policy)
		}
	}
	for _, path := range []string{"/docs/nothing", "/docs/swagger-ui.css.gz", "/docs/..%2Freference.go"} {
		if res := f.Do(t, "GET "+path, ""); res.StatusCode != 404 {
			t.Errorf("%s = %d, want 404", path, res.StatusCode)
		}
	}
}

// The description is the same in both forms, and names no server but the one that
// serves it.
func TestDescriptionIsServed(t *testing.T) {
	f := gatewaytest.New(t)
	var inYAML, inJSON map[string]any
	if err := yaml.Unmarshal([]byte(f.Do(t, "GET /openapi.yaml", "").Text), &inYAML); err != nil {
		t.Fatal(err)
	}
	var normal any
	text, err := json.Marshal(inYAML)
	if err == nil {
		err = json.Unmarshal(text, &normal)
	}
	if err != nil {
		t.Fatal(err)
	}
	got := f.Do(t, "GET /openapi.json", "")
	got.JSON(t, &inJSON)
	if !reflect.DeepEqual(any(inJSON), normal) {
		t.Error("/openapi.json and /openapi.yaml describe different things")
	}
	if api, jobs := strings.Index(got.Text, `"/api"`), strings.Index(got.Text, `"/v2/jobs"`); api < 0 || jobs < api {
		t.Errorf("/openapi.json has lost the order: /api at %d, /v2/jobs at %d", api, jobs)
	}
	servers, _ := json.Marshal(inJSON["servers"])
	if !strings.Contains(string(servers), `"url":"/"`) {
		t.Errorf("the servers are %s: a page on another address could not try them out", servers)
	}
}
