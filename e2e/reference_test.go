package e2e

import (
	"fmt"
	"testing"
)

// TestReferencePage reads the description of the API in a browser, and tries an
// operation out that needs a key.
func TestReferencePage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	g := start(t, settings("UPSTREAMS", "gazetteer", "ADMIN_TOKEN", "s3cret"))
	within := func(what, script, want string) {
		t.Helper()
		eventually(t, patience, what, func() error {
			if got := b.run(t, script); got != want {
				return fmt.Errorf("got %q, want %q; the page says %.2000q", got, want, b.run(t, "return document.body.innerText"))
			}
			return nil
		})
	}
	b.do(t, "/url", map[string]string{"url": g.URL + "/docs"})
	within("the description is shown", "return document.querySelectorAll('.opblock').length > 50", "true")

	b.click(t, ".btn.authorize")
	within("keys are asked for", "return document.querySelectorAll('#auth-bearer-value').length", "1")
	b.do(t, "/element/"+b.element(t, "#auth-bearer-value")+"/value", map[string]string{"text": "s3cret"})
	b.click(t, ".auth-container .authorize")
	within("the key is kept", "return document.querySelectorAll('#auth-bearer-value').length", "0")
	b.click(t, ".auth-container .btn-done")

	b.click(t, "#operations-admin-cacheStats .opblock-summary-control")
	within("the operation can be tried out", "return document.querySelectorAll('#operations-admin-cacheStats .execute').length", "1")
	b.click(t, "#operations-admin-cacheStats .execute")
	within("the answer is shown", "return document.querySelector('.live-responses-table tbody .response-col_status')?.textContent.trim() ?? ''", "200")

	within("no other host was asked",
		"return performance.getEntriesByType('resource').filter(e => !e.name.startsWith(location.origin) && !e.name.startsWith('data:')).map(e => e.name).join()", "")
	b.checkConsole(t)
}
