package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"geogate/upstream/upstreamtest"
)

// browser is a headless Chromium, driven by its chromedriver (W3C WebDriver,
// which is JSON over HTTP).
type browser struct {
	session string // URL
	client  *http.Client
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	driver, err := exec.LookPath("chromedriver")
	if err != nil {
		t.Skip("chromedriver is not on the PATH: `make test` installs it with Chromium on Debian as root")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var log transcript
	cmd := exec.Command(driver, "--port="+port)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &log, &log, dieWithParent()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &browser{session: "http://127.0.0.1:" + port, client: newClient()}
	t.Cleanup(func() {
		if strings.Contains(b.session, "/session/") {
			_, _ = b.call(context.Background(), http.MethodDelete, "", nil)
		}
		b.client.CloseIdleConnections()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("chromedriver:\n%s", tail(log.String(), 20))
		}
	})
	eventually(t, startTimeout, "chromedriver is ready", func() error {
		_, err := b.call(t.Context(), http.MethodGet, "/status", nil)
		return err
	})
	value, err := b.call(t.Context(), http.MethodPost, "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": map[string]any{
		"goog:chromeOptions":      map[string]any{"args": []string{"--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"}},
		"goog:loggingPrefs":       map[string]string{"browser": "ALL"},
		"unhandledPromptBehavior": "dismiss",
	}}})
	if err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	var session struct{ SessionID string }
	if err := json.Unmarshal(value, &session); err != nil || session.SessionID == "" {
		t.Fatalf("start Chromium: %s, %v", value, err)
	}
	b.session += "/session/" + session.SessionID
	return b
}

// call sends one command and returns its value.
func (b *browser) call(ctx context.Context, method, path string, body any) (json.RawMessage, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	if method != http.MethodPost {
		text = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, b.session+path, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	res, err := b.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err = io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	var answer struct{ Value json.RawMessage }
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s", method, path, answer.Value)
	}
	return answer.Value, nil
}

func (b *browser) do(t *testing.T, path string, body any) json.RawMessage {
	t.Helper()
	value, err := b.call(t.Context(), http.MethodPost, path, body)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// run runs JavaScript in the page and returns what it returns.
func (b *browser) run(t *testing.T, script string, args ...any) string {
	t.Helper()
	if args == nil {
		args = []any{}
	}
	value := b.do(t, "/execute/sync", map[string]any{"script": script, "args": args})
	var text string
	if json.Unmarshal(value, &text) == nil {
		return text
	}
	return string(value)
}

// element finds an element by a CSS selector.
func (b *browser) element(t *testing.T, selector string) string {
	t.Helper()
	var found map[string]string
	if err := json.Unmarshal(b.do(t, "/element", map[string]string{"using": "css selector", "value": selector}), &found); err != nil {
		t.Fatal(err)
	}
	for _, id := range found {
		return id
	}
	t.Fatalf("no element %s", selector)
	return ""
}

func (b *browser) click(t *testing.T, selector string) {
	t.Helper()
	b.do(t, "/element/"+b.element(t, selector)+"/click", map[string]any{})
}

// TestJobsPage takes a file through the page as a person would: choose it, look
// at the preview, map the columns, watch the job, see the points, download,
// delete.
func TestJobsPage(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
	file := writeFile(t, "addresses.csv", "Nr;Strasse;Ort\n1;\"Städtle 1\";Vaduz\n2;<b>Landstrasse</b>;Schaan\n3;ragged\n")

	b.do(t, "/url", map[string]string{"url": g.URL + "/jobs"})
	b.do(t, "/element/"+b.element(t, "#file")+"/value", map[string]string{"text": file})
	within := func(what, script, want string) {
		t.Helper()
		eventually(t, 30*time.Second, what, func() error {
			if got := b.run(t, script); got != want {
				return fmt.Errorf("got %q, want %q; the page says %q", got, want, b.run(t, "return document.body.innerText"))
			}
			return nil
		})
	}
	within("the first rows are shown", "return [...document.querySelectorAll('#preview tr')].map(r => [...r.cells].map(c => c.textContent.trim()).join('|')).join('/')",
		"Nr|Strasse|Ort/1|Städtle 1|Vaduz/2|<b>Landstrasse</b>|Schaan/3|ragged|")
	within("the way it is understood is told", "return document.querySelector('#understood').textContent", "CSV separated by semicolons.")
	b.click(t, "#preview input[value='1']") // not the number
	b.click(t, "#preview input[value='2']")
	b.click(t, "#preview input[value='3']")
	within("the columns are marked", "return document.querySelectorAll('#preview th.asked').length", "2")
	b.click(t, "#start")
	within("the job is finished", "return document.querySelector('#state').textContent", "finished")
	within("the counts are told", "return document.querySelector('#counts').textContent.split(' (')[0]", "3 of 3 rows, 2 found, 1 invalid")
	within("the bar is full", "let b = document.querySelector('#bar'); return b.value / b.max", "1")
	within("the points are plotted", "return document.querySelectorAll('#plot circle').length", "2")

	if asked := upstream.CallsFor("/search?format=json&limit=1&q=st%C3%A4dtle+1,+vaduz&accept-language=en-US,en"); asked != 1 {
		t.Errorf("the joined columns were asked for %d times; the last question was %s", asked, upstream.Last().URL)
	}
	link := b.run(t, "return document.querySelector('#downloads a').getAttribute('href')")
	if result := g.get(t, link); !strings.HasPrefix(string(result.Body), "Nr,Strasse,Ort,lat,lon,") || strings.Count(string(result.Body), "\n") != 4 {
		t.Errorf("the first download is %s", result)
	}

	b.do(t, "/refresh", map[string]any{})
	within("the job outlives a reload", "return document.querySelector('#state').textContent", "finished")
	b.click(t, "#delete")
	within("the page is as in the beginning", "return document.querySelector('#choose').hidden", "false")
	if gone := g.get(t, link); gone.Status != http.StatusNotFound {
		t.Errorf("after the deletion the result answers %d, want 404", gone.Status)
	}

	bad := writeFile(t, "sheet.csv", "PK\x03\x04")
	b.do(t, "/element/"+b.element(t, "#file")+"/value", map[string]string{"text": bad})
	within("a mistake is told", "return document.querySelector('#problem').textContent.split(' – ')[0]", "the upload is a spreadsheet or an archive, not text")
	b.checkConsole(t, "400")
}

// checkConsole fails for what the policy of the page blocked and for errors of
// its script. The browser itself reports answers that were provoked.
func (b *browser) checkConsole(t *testing.T, provoked ...string) {
	t.Helper()
	var lines []struct{ Level, Message string }
	if err := json.Unmarshal(b.do(t, "/se/log", map[string]string{"type": "browser"}), &lines); err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if !slices.ContainsFunc(provoked, func(status string) bool { return strings.Contains(line.Message, "status of "+status) }) {
			t.Errorf("console: %s %s", line.Level, line.Message)
		}
	}
}
