package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

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
	port := strconv.Itoa(freePort(t))
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

// TestJobsPage takes a file through the console as a person would: follow an old link,
// drop it, tick the columns, watch the job, see what has no place and why, and the others
// on the map, download, leave it and come back, delete.
func TestJobsPage(t *testing.T) {
	t.Parallel()
	axe := installAxe(t)
	b := newBrowser(t)
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL))
	file := writeFile(t, "addresses.csv", "Nr;Strasse;Ort\n1;\"Städtle 1\";Vaduz\n2;<b>Landstrasse</b>;Schaan\n3;ragged\n")

	b.screen(t, 1440, 900, "light")
	b.do(t, "/url", map[string]string{"url": g.URL + "/jobs"})
	b.within(t, "an old link leads to the view", "return document.querySelector('#nav [aria-current]')?.textContent ?? ''", "Jobs")
	b.drop(t, ".drop", file)
	b.within(t, "the first rows are shown", "return [...document.querySelectorAll('#preview tr')].map(r => [...r.cells].map(c => c.textContent.trim()).join('|')).join('/')",
		"Nr|Strasse|Ort/1|Städtle 1|Vaduz/2|<b>Landstrasse</b>|Schaan/3|ragged|")
	b.within(t, "the column is asked for, as no header names it", "return document.querySelector('#understood').textContent",
		"CSV separated by semicolons. Which columns hold the address? Tick them.")
	b.within(t, "nothing starts without an answer", "return document.querySelector('#start').disabled", "true")
	b.judge(t, axe, "the preview")
	b.click(t, "#preview input[value='2']")
	b.click(t, "#preview input[value='3']")
	b.within(t, "the answer is told", "return document.querySelector('#understood').textContent", "CSV separated by semicolons. Asked for: Strasse, Ort.")
	b.run(t, "document.querySelector('#start').focus()")
	b.press(t, "\ue007") // Enter

	const finished = "return document.querySelector('#state')?.textContent ?? ''"
	b.within(t, "the job is finished", finished, "finished")
	b.within(t, "it has the name of its file", "return document.querySelector('h1').textContent", "addresses.csv")
	b.within(t, "the counts are told", "return document.querySelector('#counts').textContent.split(' (')[0]", "3 of 3 rows, 2 found, 1 invalid")
	b.within(t, "the bar is full", "let b = document.querySelector('#bar'); return b.value / b.max", "1")
	b.within(t, "what has no place is told, and why", "return [...document.querySelectorAll('#troubles tbody tr')].map(r => [...r.cells].map(c => c.textContent).join('|')).join('/')",
		"3|3 · ragged|invalid|the row has too few or too many cells, or a quote that is not closed")
	b.within(t, "the places are on the map", "return new Set(window.geogatePlaces?.queryRenderedFeatures({ layers: ['geogate places'] }).map(f => f.properties.row)).size", "2")
	b.within(t, "with the outlines of countries", "return window.geogatePlaces.queryRenderedFeatures({ layers: ['land'] }).length > 0", "true")
	b.judge(t, axe, "the result")
	if asked := upstream.CallsFor("/search?format=json&limit=1&q=st%C3%A4dtle+1,+vaduz&accept-language=en-US,en"); asked != 1 {
		t.Errorf("the joined columns were asked for %d times; the last question was %s", asked, upstream.Last().URL)
	}
	link := b.run(t, "return document.querySelector('#downloads a').getAttribute('href')")
	if result := g.get(t, link); !strings.HasPrefix(string(result.Body), "Nr,Strasse,Ort,lat,lon,") || strings.Count(string(result.Body), "\n") != 4 {
		t.Errorf("the first download is %s", result)
	}
	excel := b.run(t, "return [...document.querySelectorAll('#downloads a')].find(a => a.textContent === 'CSV for Excel').getAttribute('href')")
	if result := g.get(t, excel); !strings.HasPrefix(string(result.Body), "\uFEFFNr;Strasse;Ort;lat;lon;") {
		t.Errorf("the download for Excel is %s", result)
	}

	b.screen(t, 390, 844, "dark")
	b.do(t, "/refresh", map[string]any{})
	b.within(t, "the job outlives a reload", finished, "finished")
	b.within(t, "its map is drawn again", "return document.querySelectorAll('#places canvas').length", "1")
	b.judge(t, axe, "the result on a phone at night")
	b.click(t, "#back")
	b.within(t, "there is a way back", "return document.querySelectorAll('.drop').length", "1")
	b.judge(t, axe, "the form on a phone at night")
	if kept := g.get(t, link); kept.Status != http.StatusOK {
		t.Errorf("on the way back the result went: %s", kept)
	}
	b.click(t, "[href^='#/jobs/']")
	b.within(t, "the job is found again", finished, "finished")
	b.click(t, "#delete")
	b.click(t, "dialog [value=no]")
	b.within(t, "a deletion is asked about", "return document.querySelectorAll('dialog').length + document.querySelector('#state').textContent", "0finished")
	b.click(t, "#delete")
	b.click(t, "dialog .primary")
	b.within(t, "the page is as in the beginning", "return document.querySelectorAll('.drop').length + ' ' + document.querySelectorAll(\"[href^='#/jobs/']\").length", "1 0")
	if gone := g.get(t, link); gone.Status != http.StatusNotFound {
		t.Errorf("after the deletion the result answers %d, want 404", gone.Status)
	}

	b.choose(t, writeFile(t, "sheet.csv", "PK\x03\x04"))
	b.within(t, "a mistake is told", "return document.querySelector('.problem')?.textContent.split(' – ')[0] ?? ''", "the upload is a spreadsheet or an archive, not text")
	b.choose(t, writeFile(t, "kunden.csv", "名前,住所\nAnn,Vaduz\n"))
	b.within(t, "the header of another language is understood", "return document.querySelector('#understood')?.textContent ?? ''", "CSV separated by commas. Asked for: 住所.")
	b.checkConsole(t, "400")
}

// geocodeWithKey logs in from a link to a job, and uploads and downloads with the key.
func geocodeWithKey(t *testing.T, b *browser) {
	t.Helper()
	upstream := upstreamtest.New(t)
	upstream.SetAnswer(onePlace)
	g := start(t, settings("UPSTREAMS", "nominatim+"+upstream.URL, "ADMIN_TOKEN", "s3cret", "ANONYMOUS", "geocode"))
	defer b.leave(t)
	b.do(t, "/url", map[string]string{"url": g.URL + "/jobs#0123456789abcdef0123456789abcdef"})
	b.within(t, "a key is asked for", "return document.querySelectorAll('dialog[open] #key').length", "1")
	b.run(t, "document.querySelector('#key').value = 's3cret'")
	b.click(t, "dialog .primary")
	b.within(t, "the job of the link is not there", "return document.querySelector('.problem')?.textContent ?? ''", "There is no such job. It may have been deleted, or belong to somebody else.")
	b.click(t, "#back")
	b.within(t, "there is a way back", "return document.querySelectorAll('.drop').length", "1")
	b.choose(t, writeFile(t, "addresses.csv", "address\nVaduz\n"))
	b.within(t, "the file is understood", "return document.querySelector('#understood')?.textContent ?? ''", "One address a line. Asked for: address.")
	b.click(t, "#start")
	b.within(t, "the job is finished", "return document.querySelector('#state')?.textContent ?? ''", "finished")
	dir := t.TempDir()
	b.devtools(t, "Browser.setDownloadBehavior", map[string]any{"behavior": "allow", "downloadPath": dir})
	b.within(t, "there are downloads", "return document.querySelectorAll('#downloads a').length", "4")
	b.click(t, "#downloads a")
	eventually(t, pageTimeout, "the result is downloaded", func() error {
		saved, err := filepath.Glob(filepath.Join(dir, "geogate-*.csv"))
		if err != nil || len(saved) != 1 {
			return fmt.Errorf("%v, %w", saved, err)
		}
		text, err := os.ReadFile(saved[0])
		if err == nil && !strings.HasPrefix(string(text), "address,lat,lon,") {
			err = fmt.Errorf("it is %q", text)
		}
		return err
	})
	b.checkConsole(t, "404")
}

// judge checks what holds for every view: it fits the screen, asks no other host, and
// axe-core, a script, finds nothing.
func (b *browser) judge(t *testing.T, axe, what string) {
	t.Helper()
	b.within(t, what+" fits the screen", fitsScreen, "true")
	b.within(t, what+" asked no other host", otherHosts, "")
	b.run(t, axe)
	if found := b.violations(t); found != "" {
		t.Errorf("%s: axe-core finds %s", what, found)
	}
}

// choose gives a file to the field for it.
func (b *browser) choose(t *testing.T, file string) {
	t.Helper()
	b.do(t, "/element/"+b.element(t, "#file")+"/value", map[string]string{"text": file})
}

// drop drops a file on an element, as a hand does.
func (b *browser) drop(t *testing.T, selector, file string) {
	t.Helper()
	b.within(t, selector+" is there", "return document.querySelectorAll('"+selector+"').length", "1")
	var at [2]float64
	if err := json.Unmarshal([]byte(b.run(t, "const r = document.querySelector(arguments[0]).getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]", selector)), &at); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"dragEnter", "dragOver", "drop"} {
		b.devtools(t, "Input.dispatchDragEvent", map[string]any{
			"type": step, "x": at[0], "y": at[1], "data": map[string]any{"items": []any{}, "files": []string{file}, "dragOperationsMask": 1},
		})
	}
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
