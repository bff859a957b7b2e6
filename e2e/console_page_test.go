package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// pageTimeout is how long a page may take to show something: the browser draws maps
// without a graphics card, on a machine that is busy with other tests.
const pageTimeout = 90 * time.Second

// consoleView is a view of the console and what tells that it is whole.
type consoleView struct {
	path  string
	whole string // a script that returns true
	use   func(t *testing.T, b *browser)
}

var consoleViews = []consoleView{
	{"map", "return document.querySelectorAll('.panel .list button').length > 3 && !!window.geogateMap && window.geogateMap.fleet.frames > 0", useMap},
	{"try", "return document.querySelectorAll('.sample canvas').length === 1", useTry},
	{"cache", "return document.querySelectorAll('.chart').length === 2 && document.querySelectorAll('.figure').length === 4", nil},
	{"rides", "return document.querySelectorAll('tbody button').length > 0", useRides},
	{"jobs", "return document.querySelectorAll('.drop input').length === 1", nil},
	{"events", "return document.querySelectorAll('.feed li').length > 0 && document.querySelectorAll('tbody td').length > 0", nil},
	{"keys", "return document.querySelectorAll('tbody td').length > 0", nil},
	{"fleet", "return document.querySelectorAll('tbody .state.good').length === 1", useFleet},
}

// fitsScreen tells whether nothing but tables and lists scrolls sideways.
const fitsScreen = "return document.documentElement.scrollWidth <= innerWidth && document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth"

// TestConsole opens each view of the console in front of a town that moves, on a phone and
// on a wide screen, by day and by night, and judges what people with a screen reader have
// of it. It asks no other host, and its policy blocks nothing.
func TestConsole(t *testing.T) {
	t.Parallel()
	axe := installAxe(t)
	b := newBrowser(t)
	p := launchUntil(t, env{"PORT": "0"}, func(p *process) []string { return demoAddress.FindStringSubmatch(p.Stdout.String()) }, "demo", "--no-open", "--drivers", "40")
	for turn, screen := range []struct {
		width, height int
		theme         string
	}{{1440, 900, "light"}, {390, 844, "dark"}} {
		b.screen(t, screen.width, screen.height, screen.theme)
		for _, view := range consoleViews {
			name := fmt.Sprintf("%s at %d, %s", view.path, screen.width, screen.theme)
			b.do(t, "/url", map[string]string{"url": fmt.Sprintf("%s/console/?%d#/%s", p.URL, turn, view.path)})
			b.within(t, name+" is whole", view.whole, "true")
			if view.use != nil && turn == 0 {
				view.use(t, b)
			}
			b.judge(t, axe, name)
		}
	}
	b.checkConsole(t, "409")
}

// useMap opens the details of a ride and of a driver by the keyboard, with what became of them.
func useMap(t *testing.T, b *browser) {
	t.Helper()
	for _, choice := range []struct{ kind, state, past string }{
		{"ride", "", "return document.querySelectorAll('[aria-label=Details] .steps li').length > 0"},
		{"driver", "busy", "return document.querySelectorAll('[aria-label=Details] .list button .state').length > 0"}, // has had a ride
	} {
		eventually(t, pageTimeout, "the past of a "+choice.kind+" is shown", func() error {
			// Rides end; one may be gone from the list by the time that the key arrives.
			b.run(t, `[...document.querySelectorAll('[data-key^="' + arguments[0] + ' "] button')].find(b => b.textContent.includes(arguments[1]))?.focus()`, choice.kind, choice.state)
			b.press(t, "\ue007") // Enter
			for deadline := time.Now().Add(2 * time.Second); time.Now().Before(deadline); {
				if b.run(t, choice.past) == "true" {
					return nil
				}
			}
			return errors.New("there is nothing in the details")
		})
	}
}

// useTry asks until the answer comes from the cache.
func useTry(t *testing.T, b *browser) {
	t.Helper()
	eventually(t, pageTimeout, "asked again, the answer is a hit", func() error {
		// While the map is drawn a key may be lost.
		b.run(t, "document.querySelector('#question').focus()")
		b.press(t, "\ue007") // Enter
		if tag := b.run(t, "return document.querySelector('.tag')?.textContent ?? ''"); tag != "HIT" {
			return fmt.Errorf("got %q", tag)
		}
		return nil
	})
	b.within(t, "what the cache understood is told", "return document.body.innerText.includes('How the cache understands it')", "true")
	b.within(t, "the command is there to copy", "return document.querySelector('pre')?.textContent.startsWith('curl --json ') ?? false", "true")
}

// useRides opens a ride by the keyboard.
func useRides(t *testing.T, b *browser) {
	t.Helper()
	eventually(t, pageTimeout, "a ride is opened by the keyboard", func() error {
		// Rides end; the first one in the list may be gone by the time that the key arrives.
		b.run(t, "document.querySelector('tbody button')?.focus()")
		b.press(t, "\ue007") // Enter
		if steps := b.run(t, "return document.querySelectorAll('.steps li').length > 0"); steps != "true" {
			return errors.New("there is no step in its timeline")
		}
		return nil
	})
}

// useFleet changes the mode by the keyboard, behind somebody who was faster.
func useFleet(t *testing.T, b *browser) {
	t.Helper()
	setMode := func(mode, reason string) {
		t.Helper()
		b.run(t, `fetch("/admin/mode", { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ mode: arguments[0], reason: arguments[1] }) })`, mode, reason)
	}
	agree := func() {
		t.Helper()
		b.run(t, "document.querySelector('form [name=reason]').focus()")
		b.press(t, "\ue007") // Enter
		b.within(t, "a change is asked about", "return document.querySelectorAll('dialog[open]').length", "1")
		b.run(t, "document.querySelector('dialog .primary').focus()")
		b.press(t, "\ue007")
	}
	b.run(t, `const mode = document.querySelector("[name=mode]"); mode.value = "cached_only"; mode.dispatchEvent(new Event("change"))`)
	setMode("read_only", "a move")
	b.within(t, "the mode is told", "return document.querySelector('.figure').textContent", "read only")
	agree()
	b.within(t, "who was faster is told", "return document.querySelector('form [role=alert]')?.textContent ?? ''",
		"Somebody was faster: local. The mode is read only now (a move). Change it again if you still want to.")
	agree()
	b.within(t, "the mode is changed", "return document.querySelector('.figure').textContent", "cached only")
	setMode("normal", "")
	b.within(t, "the mode is as before", "return document.querySelector('.figure').textContent", "normal")
}

// TestConsoleInstalled looks at the console of installations that somebody has set up,
// one after the other in the same browser.
func TestConsoleInstalled(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	for _, look := range []struct {
		name string
		at   func(*testing.T, *browser)
	}{{"Login", logIn}, {"MapStyle", showMapStyle}, {"MapTiles", showMapTiles}, {"Jobs", geocodeWithKey}} {
		t.Run(look.name, func(t *testing.T) { look.at(t, b) })
	}
}

// leave closes the page before its server ends, and forgets what it said.
func (b *browser) leave(t *testing.T) {
	t.Helper()
	b.do(t, "/url", map[string]string{"url": "about:blank"})
	b.do(t, "/se/log", map[string]string{"type": "browser"})
}

// logIn logs in with a wrong key, and with a right one that may little.
func logIn(t *testing.T, b *browser) {
	t.Helper()
	g := start(t, settings("UPSTREAMS", "gazetteer", "ADMIN_TOKEN", "s3cret", "ANONYMOUS", "none"))
	defer b.leave(t)
	b.do(t, "/url", map[string]string{"url": g.URL + "/console/"})
	b.within(t, "a key is asked for", "return document.querySelectorAll('dialog[open] #key').length", "1")
	enter := func(key string) {
		t.Helper()
		b.run(t, "document.querySelector('#key').value = arguments[0]", key)
		b.click(t, "dialog .primary")
	}
	enter("wrong")
	b.within(t, "a wrong key is told", "return document.querySelector('dialog [role=alert]')?.textContent ?? ''", "the credential is wrong, expired or revoked")
	enter("s3cret")
	b.within(t, "an administrator sees everything", "return [...document.querySelectorAll('#nav a')].map(a => a.textContent).join()", "Map,Try,Cache,Rides,Jobs,Events,Keys,Fleet")
	if kept := b.run(t, "return Object.keys(localStorage).length + ' ' + document.cookie"); kept != "0 " {
		t.Errorf("the key is kept beyond the tab: %q", kept)
	}

	created := g.post(t, "/admin/keys", `{"role":"rider","subject":"7"}`, "Authorization", "Bearer s3cret")
	var made struct{ Key string }
	if err := json.Unmarshal(created.Body, &made); err != nil || made.Key == "" {
		t.Fatalf("a key for a rider: %s", created)
	}
	b.run(t, "sessionStorage.setItem('geogate.credential', arguments[0])", made.Key)
	b.do(t, "/refresh", map[string]any{})
	b.within(t, "a rider sees what a rider may", "return [...document.querySelectorAll('#nav a')].map(a => a.textContent).join()", "Try")
}

// within waits until a script returns a text.
func (b *browser) within(t *testing.T, what, script, want string) {
	t.Helper()
	eventually(t, pageTimeout, what, func() error {
		if got := b.run(t, script); got != want {
			return fmt.Errorf("got %q, want %q; the page says %.1500q", got, want, b.run(t, "return document.body.innerText"))
		}
		return nil
	})
}

// screen makes the page believe in a screen and a theme.
func (b *browser) screen(t *testing.T, width, height int, theme string) {
	t.Helper()
	b.devtools(t, "Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false})
	b.devtools(t, "Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": theme}}})
}

func (b *browser) devtools(t *testing.T, command string, parameters any) {
	t.Helper()
	b.do(t, "/goog/cdp/execute", map[string]any{"cmd": command, "params": parameters})
}

// press presses a key wherever the focus is.
func (b *browser) press(t *testing.T, key string) {
	t.Helper()
	b.do(t, "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": []any{
		map[string]string{"type": "keyDown", "value": key}, map[string]string{"type": "keyUp", "value": key},
	}}}})
}

// violations are what axe-core finds, which was run in the page before.
func (b *browser) violations(t *testing.T) string {
	t.Helper()
	value := b.do(t, "/execute/async", map[string]any{"args": []any{}, "script": `
		const done = arguments[arguments.length - 1];
		axe.run(document, { resultTypes: ["violations"] }).then(
			(r) => done(r.violations.map((v) => v.id + " at " + v.nodes.map((n) => n.target.join(" ")).join(", ")).join("; ")),
			(error) => done("an error: " + error));`})
	var text string
	if err := json.Unmarshal(value, &text); err != nil {
		t.Fatal(err)
	}
	return text
}

// installAxe returns axe-core as npm installs it.
func installAxe(t *testing.T) string {
	t.Helper()
	dir := npmInstall(t, "axe")
	script, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return string(script)
}

// The libraries of the console are those that npm has, to the byte.
func TestConsoleLibrariesAreNpms(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "../scripts/console-vendor", "--check").CombinedOutput()
	if err != nil {
		t.Errorf("scripts/console-vendor --check: %v\n%s", err, out)
	}
}
