package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// suggestPage is a page of somebody else, on another address than geogate, with a
// strict policy.
const suggestPage = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title><link rel="icon" href="data:,">
<script type="module" src="%[1]s/console/suggest.js"></script></head>
<body><form><geogate-suggest name="to" label="Destination" limit="3" lat="47.107" lon="9.528"></geogate-suggest></form></body></html>`

// TestSuggestField types into the field as a person would, with the keyboard and
// with the mouse.
func TestSuggestField(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	g := start(t, settings("UPSTREAMS", "gazetteer"))
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", "default-src 'none'; img-src data:; script-src "+g.URL+"; connect-src "+g.URL)
		_, _ = fmt.Fprintf(w, suggestPage, g.URL)
	}))
	t.Cleanup(shop.Close)
	const field = "const field = document.querySelector('geogate-suggest'), input = field.shadowRoot.querySelector('input'); "
	within := func(what, script, want string) {
		t.Helper()
		eventually(t, patience, what, func() error {
			if got := b.run(t, field+script); got != want {
				return fmt.Errorf("got %q, want %q", got, want)
			}
			return nil
		})
	}
	const (
		texts    = "return [...field.shadowRoot.querySelectorAll('[role=option]')].filter(o => o.offsetParent).map(o => o.firstChild.textContent).join()"
		expanded = "return input.getAttribute('aria-expanded')"
		active   = "const id = input.getAttribute('aria-activedescendant'); return id ? field.shadowRoot.getElementById(id).firstChild.textContent : ''"
		down, up = "\ue015", "\ue013"
		enter    = "\ue007"
		escape   = "\ue00c"
	)
	press := func(keys string) {
		t.Helper()
		b.do(t, "/actions", map[string]any{"actions": []any{map[string]any{"type": "key", "id": "keyboard", "actions": keyActions(keys)}}})
	}

	b.do(t, "/url", map[string]string{"url": shop.URL})
	within("the field is there", "return input.getAttribute('aria-label')", "Destination")
	b.run(t, "let all = window.chosen = []; document.addEventListener('geogate-select', e => all.push(e.detail)); document.querySelector('geogate-suggest').focus()")
	press("v")
	press("a")
	press("d")
	within("suggestions are shown", expanded, "true")
	within("the nearest is the first", "return "+`field.shadowRoot.querySelector('[role=option]').firstChild.textContent`, "Vaduz")
	within("where they are from is shown", "return field.shadowRoot.querySelector('.licence').textContent.includes('GeoNames')", "true")
	within("a screen reader hears how many there are", "return field.shadowRoot.querySelector('[role=status]').textContent", "3 suggestions")
	press(down)
	within("the first is active", active, "Vaduz")
	press(up)
	within("the last is active", "return input.getAttribute('aria-activedescendant')", "option-2")
	press(down)
	press(enter)
	within("the choice is in the field", "return field.value", "Vaduz")
	within("the page is told", "return window.chosen.map(p => p.country_code).join()", "li")
	within("the form has it", "return new FormData(document.forms[0]).get('to')", "Vaduz")
	within("the list is closed", expanded, "false")

	press("x")
	within("the choice is void once the text changes", "return field.place === null", "true")
	b.run(t, field+"field.value = ''")
	press("t")
	press("r")
	press("i")
	within("other suggestions are shown", "return field.shadowRoot.querySelector('[role=option]')?.firstChild.textContent ?? ''", "Triesen")
	press(escape)
	within("Escape closes the list", expanded, "false")
	press(down)
	within("the arrow opens it again", expanded, "true")
	b.run(t, field+"field.shadowRoot.querySelector('[role=option]').click()")
	within("a click chooses", "return field.value", "Triesen")
	within("nothing is shown any more", texts, "")

	const short = "return performance.getEntriesByType('resource').filter(e => new URL(e.name).searchParams.get('q')?.length < 2).length"
	if asked := b.run(t, short); asked != "0" {
		t.Errorf("it asked %s times for fewer letters than two", asked)
	}
	b.checkConsole(t)
}

// keyActions press and release keys, one after the other.
func keyActions(keys string) []any {
	var actions []any
	for _, key := range keys {
		actions = append(actions, map[string]string{"type": "keyDown", "value": string(key)}, map[string]string{"type": "keyUp", "value": string(key)})
	}
	return actions
}
