// Cache: what it spares the geocoders, over the last hour, and what it holds.

import { get, post } from "../lib/api.js";
import { h, svg, clock, confirm, number, problem, toast } from "../lib/dom.js";

const priceKept = "geogate.price"; // of a thousand calls, as the operator says

export function mount(root) {
  const failed = h("div");
  const figures = h("div", { class: "figures" });
  const ratio = h("div"), calls = h("div");
  const rows = h("tbody");
  const price = h("input", { type: "number", min: 0, step: 0.01, value: localStorage.getItem(priceKept) || "5", inputmode: "decimal", oninput: () => { localStorage.setItem(priceKept, price.value); draw(); } });
  const query = h("input", { placeholder: "/search?q=Vaduz&format=jsonv2", required: true });
  const preview = h("div", { class: "stack", "aria-live": "polite" });
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Cache and upstreams"), h("p", {}, "This process, since it started.")),
    failed, figures,
    h("div", { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "Hit ratio, last hour"), ratio),
      h("section", { class: "card" }, h("h2", {}, "Calls a minute to upstreams, last hour"), calls)),
    h("section", { class: "card flush" }, h("h2", {}, "Upstreams"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Upstreams" }, h("table", {},
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Name"), h("th", { scope: "col" }, "Breaker"),
          ...["Calls", "Calls saved", "Failed"].map((t) => h("th", { scope: "col", class: "number" }, t)))), rows))),
    h("div", { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "What a call costs"),
        h("label", { class: "field" }, "Price of 1,000 calls, in your currency", price)),
      h("form", { class: "card", onsubmit: (e) => { e.preventDefault(); look(); } }, h("h2", {}, "Purge an answer"),
        h("label", { class: "field" }, "The request, as a client sends it", query),
        h("div", { class: "row" }, h("button", {}, "Look first")), preview))));
  let stats = null, samples = [];
  const poll = setInterval(load, 5000);
  load();

  async function load() {
    try {
      [stats, { samples }] = await Promise.all([get("/admin/stats"), get("/console/history")]);
      problem(failed, null);
      draw();
    } catch (error) {
      problem(failed, error);
    }
  }

  const sum = (o) => Object.values(o || {}).reduce((a, b) => a + b, 0);

  function draw() {
    if (!stats) return;
    const hits = sum(stats.hits) + sum(stats.stale), asked = hits + stats.misses;
    const saved = sum(Object.fromEntries(Object.entries(stats.providers).map(([name, p]) => [name, p.calls_avoided])));
    const figure = (value, name) => h("div", { class: "card figure" }, h("b", {}, value), h("span", { class: "quiet" }, name));
    figures.replaceChildren(
      figure(asked ? `${((hits / asked) * 100).toFixed(1)} %` : "–", "of answers from the cache"),
      figure(number(saved), "calls saved"),
      figure(((saved / 1000) * (+price.value || 0)).toLocaleString("en", { maximumFractionDigits: 2 }), "saved, at your price"),
      figure(number(stats.memory_entries), `answers in memory, ${(stats.memory_bytes / 1024 / 1024).toFixed(1)} MiB`));
    const steps = samples.slice(1).map((s, i) => {
      const before = samples[i], minutes = (new Date(s.at) - new Date(before.at)) / 60_000;
      const hit = s.hits + s.stale - before.hits - before.stale, miss = s.misses - before.misses;
      return { at: s.at, ratio: hit + miss > 0 ? (hit / (hit + miss)) * 100 : null, calls: minutes > 0 ? (sum(s.calls) - sum(before.calls)) / minutes : null };
    });
    ratio.replaceChildren(chart(steps, "ratio", 100, (v) => `${Math.round(v)} %`, "Share of answers from the cache over the last hour"));
    calls.replaceChildren(chart(steps, "calls", 0, number, "Calls a minute to upstreams over the last hour"));
    rows.replaceChildren(...Object.entries(stats.providers).map(([name, p]) => h("tr", {},
      h("td", {}, name), h("td", {}, p.state ? h("span", { class: `state ${{ closed: "good", open: "bad" }[p.state] || "warn"}` }, p.state) : "–"),
      h("td", { class: "number" }, number(p.calls_spent)), h("td", { class: "number" }, number(p.calls_avoided)),
      h("td", { class: "number" }, number(sum(p.calls) - (p.calls?.found || 0) - (p.calls?.empty || 0))))));
  }

  async function look() {
    try {
      const path = query.value.trim();
      const [target, parameters = ""] = path.split("?");
      const endpoint = target.replace(/^\//, "").replace(/\.php$/, "");
      const e = await get(`/admin/explain?endpoint=${encodeURIComponent(endpoint)}&${parameters}`);
      preview.replaceChildren(h("p", { class: "mono" }, e.canonical),
        e.cached ? h("p", {}, `${number(e.cached.bytes)} bytes from ${e.cached.provider}, ${e.cached.age} old, ${number(e.cached.hits)} hits.`) : h("p", { class: "quiet" }, "Nothing is kept for it."),
        ...(e.cached ? [h("div", { class: "row" }, h("button", { type: "button", class: "danger", onclick: () => purge(e.key) }, "Purge it"))] : []));
    } catch (error) {
      problem(preview, error);
    }
  }

  async function purge(key) {
    if (!(await confirm("Purge this answer from every process? The next request asks the geocoder.", "Purge it"))) return;
    try {
      await post("/admin/purge", { key });
      toast("Purged.");
      await look();
    } catch (error) {
      toast(error.message);
    }
  }

  return () => {
    clearInterval(poll);
    root.replaceChildren();
  };
}

// chart draws a curve with its scale. Where there is no value there is a gap.
function chart(steps, key, least, say, title) {
  const [width, height, left, bottom] = [480, 144, 44, 20];
  const top = Math.max(least, ...steps.map((s) => s[key] ?? 0)) || 1;
  const from = Date.now() - 3_600_000;
  const x = (at) => left + Math.max(0, (new Date(at) - from) / 3_600_000) * (width - left - 4);
  const y = (v) => 8 + (1 - v / top) * (height - bottom - 8);
  const runs = [[]];
  for (const s of steps) {
    if (s[key] == null) runs.push([]);
    else runs.at(-1).push(`${x(s.at).toFixed(1)},${y(s[key]).toFixed(1)}`);
  }
  const parts = [svg("title", {}, title)];
  for (const v of [0, top / 2, top]) {
    parts.push(svg("line", { class: "grid", x1: left, x2: width - 4, y1: y(v), y2: y(v) }), svg("text", { x: left - 6, y: y(v) + 4, "text-anchor": "end" }, say(v)));
  }
  for (const minutes of [60, 30, 0]) {
    const at = Date.now() - minutes * 60_000;
    parts.push(svg("text", { x: x(at), y: height - 4, "text-anchor": minutes === 60 ? "start" : minutes ? "middle" : "end" }, clock(at).slice(0, 5)));
  }
  for (const run of runs.filter((r) => r.length > 0)) {
    const base = y(0).toFixed(1), first = run[0].split(",")[0], last = run.at(-1).split(",")[0];
    if (run.length > 1) parts.push(svg("path", { class: "area", d: `M${first},${base}L${run.join("L")}L${last},${base}Z` }));
    parts.push(run.length > 1 ? svg("polyline", { class: "curve", points: run.join(" ") }) : svg("circle", { class: "curve", cx: first, cy: run[0].split(",")[1], r: 1.5 }));
  }
  return svg("svg", { class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img" }, ...parts);
}
