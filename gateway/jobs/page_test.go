package jobs_test

import (
	"strings"
	"testing"

	"geogate/internal/bulk"
)

func TestJobsPageIsServed(t *testing.T) {
	j := newJobsFixture(t, bulk.Config{})
	for path, contentType := range map[string]string{
		"/jobs": "text/html; charset=utf-8", "/jobs/jobs.js": "text/javascript; charset=utf-8", "/jobs/jobs.css": "text/css; charset=utf-8",
	} {
		res := j.Do(t, "GET "+path, "")
		if res.StatusCode != 200 || res.Header.Get("Content-Type") != contentType || !strings.Contains(res.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s = %d %v", path, res.StatusCode, res.Header)
		}
		if again := j.Do(t, "GET "+path, "", "If-None-Match: "+res.Header.Get("ETag")); again.StatusCode != 304 {
			t.Errorf("%s again = %d, want 304", path, again.StatusCode)
		}
	}
	for _, forbidden := range []string{"<script>", "style=", "onclick", "http://", "https://"} {
		if page := j.Do(t, "GET /jobs", ""); strings.Contains(page.Text, forbidden) {
			t.Errorf("the page holds %q, which its policy forbids", forbidden)
		}
	}
}
