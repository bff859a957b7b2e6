// <geogate-suggest>: a field that completes the names of places.
//
//   <script type="module" src="https://geogate.example.org/console/suggest.js"></script>
//   <geogate-suggest label="Destination" countrycodes="li,ch"></geogate-suggest>
//
// Attributes: label, placeholder, name, value, limit, lat, lon, countrycodes, lang,
// minlength (2), delay (150, in milliseconds), server (where this script is from).
// The property `token` is sent as a credential. A choice is the event
// "geogate-select", with the suggestion in `detail`; "geogate-error" has a problem.
// The parts field, list, option and note can be styled with ::part().

const style = new CSSStyleSheet();
style.replaceSync(`
:host { display: inline-block; position: relative; color-scheme: light dark; font: inherit; }
input { box-sizing: border-box; width: 100%; font: inherit; padding: .4em .5em; border: 1px solid GrayText; border-radius: .3em; background: Field; color: FieldText; }
.popup { position: absolute; z-index: 10; inset-inline: 0; margin-top: .2em; padding: .2em; background: Canvas; color: CanvasText; border: 1px solid GrayText; border-radius: .3em; }
.popup[hidden] { display: none; }
[role=listbox] { margin: 0; padding: 0; list-style: none; }
[role=option] { padding: .35em .4em; border-radius: .2em; cursor: pointer; }
[role=option][aria-selected=true] { background: Highlight; color: HighlightText; }
small { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.licence { padding: .3em .4em 0; font-size: .7em; }
.note { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
`);

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

// One letter of these scripts says as much as two of others.
const dense = /[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]/;

class GeogateSuggest extends HTMLElement {
  static formAssociated = true;
  static observedAttributes = ['label', 'placeholder', 'value', 'disabled'];

  #internals = this.attachInternals();
  #input = make('input', {
    part: 'field', role: 'combobox', type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false',
    'aria-autocomplete': 'list', 'aria-expanded': 'false', 'aria-controls': 'list', 'aria-haspopup': 'listbox',
  });
  #list = make('ul', { role: 'listbox', id: 'list', 'aria-label': 'Suggestions' });
  #licence = make('div', { class: 'licence' });
  #popup = make('div', { part: 'list', class: 'popup', hidden: '' }, this.#list, this.#licence);
  #note = make('div', { part: 'note', class: 'note', role: 'status' });
  #suggestions = [];
  #active = -1;
  #timer = 0;
  #request = null;
  #pausedUntil = 0;
  #chosen = null;

  token = '';

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    root.adoptedStyleSheets = [style];
    root.append(this.#input, this.#popup, this.#note);
    this.#input.addEventListener('input', (event) => { if (!event.isComposing) this.#typed(); });
    this.#input.addEventListener('compositionend', () => this.#typed());
    this.#input.addEventListener('keydown', (event) => this.#pressed(event));
    this.#input.addEventListener('blur', () => this.#close());
    this.#popup.addEventListener('pointerdown', (event) => event.preventDefault()); // the field keeps the focus
    this.#list.addEventListener('click', (event) => {
      const option = event.target.closest('[role=option]');
      if (option) this.#choose(Number(option.dataset.index));
    });
  }

  attributeChangedCallback(name, _, value) {
    if (name === 'value') this.value = value ?? '';
    else if (name === 'label') this.#input.setAttribute('aria-label', value ?? '');
    else if (name === 'placeholder') this.#input.placeholder = value ?? '';
    else this.#input.disabled = value !== null;
  }

  connectedCallback() {
    const label = this.getAttribute('label') ?? this.#internals.labels[0]?.textContent;
    if (label) this.#input.setAttribute('aria-label', label.trim());
  }

  disconnectedCallback() {
    this.#close();
  }

  get value() { return this.#input.value; }
  set value(text) {
    this.#input.value = text;
    this.#chosen = null;
    this.#internals.setFormValue(text);
  }

  /** The suggestion that was chosen; null once the text has changed. */
  get place() { return this.#chosen; }

  #typed() {
    this.#chosen = null;
    this.#internals.setFormValue(this.value);
    this.#stop();
    const text = this.value.trim();
    const least = dense.test(text) ? 1 : Number(this.getAttribute('minlength') ?? 2);
    if (text.length < least) return this.#close();
    const wait = Math.max(Number(this.getAttribute('delay') ?? 150), this.#pausedUntil - Date.now());
    this.#timer = setTimeout(() => this.#ask(text), wait);
  }

  // What was asked for earlier letters is of no use any more.
  #stop() {
    clearTimeout(this.#timer);
    this.#request?.abort();
    this.#request = null;
  }

  async #ask(text) {
    const request = this.#request = new AbortController();
    const url = new URL('../suggest', this.getAttribute('server') ? new URL('x/', this.getAttribute('server').replace(/\/?$/, '/')) : import.meta.url);
    url.searchParams.set('q', text);
    for (const name of ['limit', 'lat', 'lon', 'countrycodes']) {
      if (this.hasAttribute(name)) url.searchParams.set(name, this.getAttribute(name));
    }
    if (this.lang) url.searchParams.set('accept-language', this.lang);
    try {
      const answer = await fetch(url, { signal: request.signal, headers: this.token ? { Authorization: `Bearer ${this.token}` } : {} });
      const body = await answer.json();
      if (this.#request !== request) return;
      if (answer.ok) return this.#show(body);
      this.#pausedUntil = Date.now() + 1000 * Number(answer.headers.get('Retry-After') ?? 0);
      this.#fail(body);
    } catch (error) {
      if (error.name !== 'AbortError' && this.#request === request) this.#fail({ title: error.message });
    }
  }

  #fail(problem) {
    this.#close();
    this.dispatchEvent(new CustomEvent('geogate-error', { detail: problem, bubbles: true, composed: true }));
  }

  #show({ suggestions, licence }) {
    this.#suggestions = suggestions;
    this.#list.replaceChildren(...suggestions.map((place, index) => make(
      'li', { part: 'option', role: 'option', id: `option-${index}`, 'data-index': index, 'aria-selected': 'false' },
      place.text, ...(place.display_name === place.text ? [] : [make('small', {}, place.display_name)]),
    )));
    this.#licence.textContent = licence ?? '';
    this.#note.textContent = suggestions.length === 1 ? '1 suggestion' : `${suggestions.length} suggestions`;
    this.#popup.hidden = !suggestions.length;
    this.#input.setAttribute('aria-expanded', String(!this.#popup.hidden));
    this.#activate(-1);
  }

  #close() {
    this.#stop();
    this.#suggestions = [];
    this.#popup.hidden = true;
    this.#note.textContent = '';
    this.#input.setAttribute('aria-expanded', 'false');
    this.#activate(-1);
  }

  #activate(index) {
    this.#active = index;
    for (const option of this.#list.querySelectorAll('[role=option]')) {
      const active = Number(option.dataset.index) === index;
      option.setAttribute('aria-selected', String(active));
      if (active) option.scrollIntoView({ block: 'nearest' });
    }
    if (index < 0) this.#input.removeAttribute('aria-activedescendant');
    else this.#input.setAttribute('aria-activedescendant', `option-${index}`);
  }

  #choose(index) {
    const place = this.#suggestions[index];
    this.value = place.text;
    this.#chosen = place;
    this.#close();
    this.dispatchEvent(new CustomEvent('geogate-select', { detail: place, bubbles: true, composed: true }));
  }

  #pressed(event) {
    const count = this.#suggestions.length;
    if (event.isComposing) return;
    if (event.key === 'Escape' && count) this.#close();
    else if (event.key === 'Enter' && this.#active >= 0) this.#choose(this.#active);
    else if (event.key === 'ArrowDown' && !count) this.#typed();
    else if (event.key === 'ArrowDown') this.#activate((this.#active + 1) % count);
    else if (event.key === 'ArrowUp' && count) this.#activate((this.#active <= 0 ? count : this.#active) - 1);
    else return;
    event.preventDefault();
  }
}

customElements.define('geogate-suggest', GeogateSuggest);
