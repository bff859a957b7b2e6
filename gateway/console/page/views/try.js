// Try: an address or a position, the answer, and what the cache had to do with it.

import { credential, get, send } from "../lib/api.js";
import { h, copy, problem } from "../lib/dom.js";
import { createMap, maplibre } from "../map/base.js";

const position = /^\s*(-?\d+(?:\.\d+)?)\s*[,; ]\s*(-?\d+(?:\.\d+)?)\s*$/;

const shellWord = (text) => `'${text.replaceAll("'", "'\\''")}'`;

export function mount(root, { may }) {
  let map = null, markers = [], gone = false;
  const field = h("input", { id: "question", value: "Vaduz", autocomplete: "off", required: true });
  const failed = h("div");
  const answer = h("div", { class: "stack", "aria-live": "polite" });
  const understood = h("div", { class: "stack" });
  const canvas = h("div", { class: "canvas" });
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Try"), h("p", {}, "Ask twice: the second answer comes from the cache.")),
    h("form", { class: "card", onsubmit: (e) => { e.preventDefault(); ask(); } },
      h("div", { class: "row ask" }, h("label", { class: "field grow" }, "Address, or latitude, longitude", field), h("button", { class: "primary" }, "Ask"))),
    failed,
    h("div", { class: "columns" },
      h("section", { class: "card", "aria-label": "Answer" }, answer),
      h("section", { class: "card flush sample", role: "region", "aria-label": "Map of the answer" }, canvas)),
    understood));
  answer.append(h("p", { class: "quiet" }, "Nothing asked yet."));

  async function ask() {
    problem(failed, null);
    const text = field.value.trim();
    const point = position.exec(text);
    const body = point ? { lat: +point[1], lon: +point[2] } : { q: text };
    const began = performance.now();
    try {
      const response = await send("POST", "/api", { body });
      const took = performance.now() - began;
      const data = await response.json();
      if (!response.ok) throw new Error(data.hint ? `${data.detail} – ${data.hint}` : data.detail);
      if (gone) return;
      show(response.headers, data, took, body);
      place(data.data);
      if (may("admin")) await explain(body);
    } catch (error) {
      problem(failed, error);
    }
  }

  function show(headers, { data, source, stale }, took, body) {
    const status = headers.get("X-Cache") || "";
    const age = +headers.get("Age") || 0;
    const command = `curl --json ${shellWord(JSON.stringify(body))}${credential.get() ? " -H \"Authorization: Bearer $GEOGATE_KEY\"" : ""} ${shellWord(`${location.origin}/api`)}`;
    answer.replaceChildren(
      h("div", { class: "row" }, h("h2", { class: "grow" }, data.length === 1 ? "1 place" : `${data.length} places`),
        h("span", { class: `tag ${status === "HIT" ? "hit" : ""}` }, status || "answer")),
      h("dl", {},
        h("dt", {}, "Took"), h("dd", {}, `${took < 10 ? took.toFixed(1) : Math.round(took)} ms`),
        ...(status === "HIT" || stale ? [h("dt", {}, "Age"), h("dd", {}, `${age} s`)] : []),
        ...(source ? [h("dt", {}, "Source"), h("dd", {}, source)] : [])),
      data.length === 0 ? h("p", { class: "quiet" }, "Nothing was found.")
        : h("ol", { class: "list" }, ...data.slice(0, 10).map((p) => h("li", {},
          h("button", { type: "button", onclick: () => map?.flyTo({ center: [+p.lon, +p.lat], zoom: 12 }) },
            h("span", {}, p.display_name), h("span", {}, p.type || ""))))),
      ...(data[0]?.licence ? [h("p", { class: "small quiet" }, data[0].licence)] : []),
      h("pre", { tabindex: 0, "aria-label": "The same with curl" }, command),
      h("div", { class: "row" }, h("button", { type: "button", onclick: () => copy(command) }, "Copy the command")));
  }

  function place(places) {
    if (!map) return;
    markers.forEach((m) => m.remove());
    markers = places.slice(0, 10).map((p) => new maplibre.Marker({ color: getComputedStyle(document.documentElement).getPropertyValue("--accent").trim() })
      .setLngLat([+p.lon, +p.lat]).addTo(map));
    if (places.length) map.flyTo({ center: [+places[0].lon, +places[0].lat], zoom: 11, duration: 600 });
  }

  async function explain(body) {
    const query = new URLSearchParams(body.q ? { q: body.q, format: "json" } : { ...body, format: "json" });
    const e = await get(`/admin/explain?${query}`);
    const lives = e.lifetimes;
    understood.replaceChildren(h("section", { class: "card" },
      h("h2", {}, "How the cache understands it"),
      h("dl", {},
        h("dt", {}, "Sent as"), h("dd", { class: "mono" }, e.canonical),
        h("dt", {}, "Geocoder"), h("dd", {}, e.provider),
        h("dt", {}, "Kept"), h("dd", {}, `fresh for ${lives.fresh}, then stale for ${lives.stale}; an empty answer for ${lives.empty}`),
        ...(e.cached ? [h("dt", {}, "In the cache"), h("dd", {}, `${e.cached.layer}, ${e.cached.age} old, ${e.cached.bytes} bytes, ${e.cached.hits} hits`)] : []))));
  }

  createMap(canvas, { zoom: 2, center: [9.5, 35] }).then((made) => {
    if (gone) return made.remove();
    map = made;
  }, (error) => problem(canvas, new Error(`This browser cannot draw the map: ${error.message}`)));
  field.select();
  return () => {
    gone = true;
    map?.remove();
    root.replaceChildren();
  };
}
