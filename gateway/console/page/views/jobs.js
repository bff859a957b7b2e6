// Jobs: a file of addresses, how geogate reads it, how far it is and what came of it. The
// server decides what a file means; this page never guesses.

import { credential, download, follow, remove, send, problemOf, upload } from "../lib/api.js";
import { h, ago, clock, confirm, number, problem, state, toast } from "../lib/dom.js";
import { begun, isJob, readResult } from "../lib/jobs.js";
import { showPlaces } from "../map/places.js";

const previewBytes = 64 * 1024; // as much as the server looks at

export function mount(root, { rest }) {
  return isJob(rest[0] ?? "") ? mountJob(root, rest[0]) : mountUpload(root);
}

const typeOf = (file) => (/\.(ndjson|jsonl)$/i.test(file.name) ? "application/x-ndjson" : "text/csv");

function mountUpload(root) {
  const leaving = new AbortController();
  let file = null, form = null;
  const failed = h("div");
  const field = h("input", {
    type: "file", id: "file", accept: ".csv,.tsv,.txt,.ndjson,.jsonl,text/csv,application/x-ndjson", "aria-describedby": "formats",
    onchange: () => field.files.length && take(field.files[0]),
  });
  const drop = h("div", { class: "drop" },
    h("label", { class: "field", for: "file" }, "Choose a file, or drop it here"), field,
    h("p", { class: "small quiet", id: "formats" }, "CSV in any encoding and with any separator, or NDJSON."));
  const mapping = h("div", { class: "stack" });
  const page = h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Jobs"), h("p", {}, "Geocode a whole file. People who ask meanwhile go first.")),
    h("section", { class: "card", "aria-label": "The file" }, drop), failed, mapping, earlier());
  root.append(page);
  const dragged = (e) => {
    if (!e.dataTransfer?.types.includes("Files")) return;
    e.preventDefault(); // or the browser opens the file in place of the console
    drop.classList.toggle("over", e.type === "dragover");
    if (e.type !== "drop" || e.dataTransfer.files.length === 0) return;
    field.files = e.dataTransfer.files; // so that it says which one
    take(field.files[0]);
  };
  for (const type of ["dragover", "dragleave", "drop"]) root.addEventListener(type, dragged, { signal: leaving.signal });

  async function take(chosen) {
    file = chosen;
    form = null;
    mapping.replaceChildren();
    await preview();
  }

  // options are the parameters of the form. Columns go by number: a name may have a comma.
  function options(more) {
    const o = new URLSearchParams(more);
    if (!form) return o;
    o.set("mode", form.mode.value);
    if (!form.header.disabled) o.set("header", form.header.checked ? "1" : "0");
    if (form.language.value) o.set("language", form.language.value);
    if (form.countries.value) o.set("countrycodes", form.countries.value);
    return o;
  }

  let asked = 0;
  async function preview() {
    const turn = ++asked;
    problem(failed, null);
    try {
      const response = await send("POST", `/v2/jobs?${options({ preview: 1 })}`, {
        body: file.slice(0, previewBytes), headers: { "Content-Type": typeOf(file) }, signal: leaving.signal,
      });
      if (!response.ok) throw await problemOf(response);
      const understood = await response.json();
      if (turn !== asked) return;
      form ??= buildForm();
      showPreview(understood);
    } catch (error) {
      if (error.name === "AbortError" || turn !== asked) return;
      if (form && error.code === "unknown_column") ask(); // no names tell which columns hold positions
      else problem(failed, error);
    }
  }

  function buildForm() {
    const input = (properties) => h("input", { autocomplete: "off", ...properties });
    const f = {
      mode: h("select", { id: "mode", onchange: preview }, h("option", { value: "search" }, "places by address"), h("option", { value: "reverse" }, "addresses by position")),
      header: h("input", { type: "checkbox", id: "header", onchange: preview }),
      language: input({ placeholder: "as the browser", size: 12 }), countries: input({ placeholder: "li,ch", size: 8 }),
      understood: h("p", { id: "understood", role: "status" }),
      head: h("thead"), body: h("tbody"),
      start: h("button", { class: "primary", id: "start" }, "Start"),
      progress: h("progress", { max: 1, value: 0, "aria-label": "Upload", hidden: true }),
    };
    mapping.replaceChildren(h("form", { class: "card", "aria-label": "How to read it", onsubmit: begin },
      h("h2", {}, file.name),
      h("div", { class: "row ask" },
        h("label", { class: "field" }, "Find", f.mode), h("label", { class: "field" }, "Language", f.language), h("label", { class: "field" }, "Countries", f.countries),
        h("label", { class: "row" }, f.header, "The first row names the columns")),
      f.understood,
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The first rows" }, h("table", { id: "preview" }, f.head, f.body)),
      h("div", { class: "row" }, f.start, f.progress)));
    return f;
  }

  const boxes = () => [...form.head.querySelectorAll("input")];
  const separators = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars" };

  function showPreview(p) {
    form.header.checked = p.header;
    form.header.disabled = p.format !== "csv";
    form.format = p.format === "csv" ? (p.separator ? `CSV separated by ${separators[p.separator] ?? p.separator}.` : "One address a line.") : "NDJSON.";
    form.columns = p.columns;
    form.head.replaceChildren(h("tr", {}, ...p.columns.map((name, i) => h("th", { scope: "col" }, h("label", { class: "row" },
      h("input", { type: "checkbox", value: i + 1, checked: !p.guessed && p.asked.includes(name), onchange: mark }), name)))));
    form.body.replaceChildren(...p.rows.map((row) => h("tr", {}, ...row.map((text) => h("td", {}, text)))));
    mark();
  }

  function ask() {
    for (const box of boxes()) box.checked = false;
    mark();
  }

  // mark shows which columns form the question, and asks if none does.
  function mark() {
    const chosen = boxes().map((box) => box.checked);
    for (const row of [...form.head.rows, ...form.body.rows]) [...row.cells].forEach((cell, i) => cell.classList.toggle("asked", chosen[i]));
    const names = form.columns.filter((_, i) => chosen[i]);
    const reverse = form.mode.value === "reverse";
    form.start.disabled = reverse ? names.length !== 2 : names.length === 0;
    const question = reverse ? "Which columns hold latitude and longitude? Tick these two." : "Which columns hold the address? Tick them.";
    form.understood.textContent = `${form.format} ${form.start.disabled ? question : `Asked for: ${names.join(", ")}.`}`;
  }

  async function begin(e) {
    e.preventDefault();
    problem(failed, null);
    form.start.disabled = true;
    form.progress.hidden = false;
    const chosen = boxes().filter((box) => box.checked).map((box) => box.value);
    try {
      const job = await upload(`/v2/jobs?${options({ columns: chosen.join() })}`, file, {
        type: typeOf(file), signal: leaving.signal, progress: (share) => { form.progress.value = share; },
      });
      begun.add(job.job_id, file.name);
      location.hash = `#/jobs/${job.job_id}`;
    } catch (error) {
      form.progress.hidden = true;
      form.start.disabled = false;
      problem(failed, error);
    }
  }

  return () => {
    leaving.abort();
    root.replaceChildren();
  };
}

// earlier lists the jobs of this tab.
function earlier() {
  const jobs = begun.list();
  return jobs.length > 0 && h("section", { class: "card" }, h("h2", {}, "Begun in this tab"),
    h("ul", { class: "list" }, ...jobs.map(({ id, name }) => h("li", {}, h("a", { href: `#/jobs/${id}` }, name)))));
}

const forms = [
  { title: "CSV", query: "format=csv", ending: "csv" },
  { title: "CSV for Excel", query: "format=excel", ending: "csv" },
  { title: "NDJSON", query: "format=ndjson", ending: "ndjson" },
  { title: "GeoJSON", query: "format=geojson", ending: "geojson" },
];

function mountJob(root, id) {
  let gone = false, closeMap = () => {};
  const failed = h("div");
  const told = h("span", { id: "state", role: "status" }, "Connecting …");
  const bar = h("progress", { id: "bar", max: 1, value: 0, "aria-label": "Rows done" });
  const counts = h("p", { id: "counts" }), times = h("p", { class: "quiet small" });
  const erase = h("button", { class: "danger", id: "delete", onclick: forget }, "Stop and delete");
  const result = h("div", { class: "stack" });
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, begun.name(id) ?? `Job ${id.slice(0, 8)}`), told, h("a", { href: "#/jobs", id: "back" }, "Another file")),
    failed,
    h("section", { class: "card", "aria-label": "Progress" }, bar, counts, times, h("div", { class: "row" }, erase)),
    result));

  const stop = follow(`/v2/jobs/${id}/events`, {
    event: (name, job) => show(job),
    lost: (error) => {
      if (error.status === 401 || error.status === 403) return problem(failed, error);
      if (error.status !== 404) return problem(failed, new Error(`${error.message || "The connection was lost."} Trying again …`));
      begun.remove(id);
      told.textContent = "not there";
      erase.hidden = true;
      problem(failed, new Error("There is no such job. It may have been deleted, or belong to somebody else."));
    },
  });

  function show(job) {
    problem(failed, null);
    told.replaceChildren(state(job.state));
    bar.max = job.rows;
    bar.value = job.done;
    const parts = ["found", "empty", "invalid", "failed"].filter((name) => job[name] > 0).map((name) => `, ${number(job[name])} ${name}`);
    counts.textContent = `${number(job.done)} of ${number(job.rows)} rows${parts.join("")}` +
      (job.cache_hits ? ` (${number(job.cache_hits)} without a call of a geocoder)` : "");
    times.textContent = job.error || (job.eta ? `Done at about ${clock(job.eta)}.` : job.ended_at ? `Ended ${ago(job.ended_at)}.` : "");
    if (!["finished", "failed", "cancelled"].includes(job.state)) return;
    stop();
    erase.textContent = "Delete";
    if (job.state === "cancelled") begun.remove(id);
    if (job.state === "finished") showResult(job);
  }

  async function forget() {
    if (!(await confirm("Delete this job? Its file and its result are gone then.", "Delete the job"))) return;
    try {
      await remove(`/v2/jobs/${id}`);
    } catch (error) {
      if (error.status !== 404) return problem(failed, error);
    }
    begun.remove(id);
    toast("The job is deleted.");
    location.hash = "#/jobs";
  }

  async function showResult(job) {
    result.append(h("section", { class: "card", "aria-label": "Downloads" }, h("h2", {}, "Result"),
      h("ul", { class: "row list", id: "downloads" }, ...forms.map((f) => h("li", {}, linkTo(f))))));
    try {
      const { places, troubles } = await readResult(job);
      if (gone) return;
      const wrong = job.rows - job.found;
      if (wrong > 0) result.append(troubleTable(troubles, wrong));
      if (places.length > 0) {
        const map = showPlaces(places, job.found);
        closeMap = map.close;
        result.append(map.element);
      }
    } catch (error) {
      problem(failed, error);
    }
  }

  function linkTo({ title, query, ending }) {
    const path = `/v2/jobs/${id}/result?${query}`;
    return h("a", {
      href: path, download: "",
      async onclick(e) {
        if (!credential.get()) return;
        e.preventDefault();
        try {
          await download(path, `geogate-${id.slice(0, 8)}.${ending}`);
        } catch (error) {
          toast(error.message);
        }
      },
    }, title);
  }

  return () => {
    gone = true;
    stop();
    closeMap();
    root.replaceChildren();
  };
}

const troubleTable = (troubles, wrong) => h("section", { class: "card flush", id: "troubles" },
  h("h2", {}, `Rows without a place (${number(wrong)})`),
  troubles.length < wrong && h("p", { class: "empty small" }, `The first ${number(troubles.length)} of them; the downloads have all.`),
  h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Rows without a place" }, h("table", {},
    h("thead", {}, h("tr", {}, h("th", { scope: "col", class: "number" }, "Row"), ...["Content", "Outcome", "Reason"].map((t) => h("th", { scope: "col" }, t)))),
    h("tbody", {}, ...troubles.map((t) => h("tr", {},
      h("td", { class: "number" }, number(t.row)), h("td", {}, t.text), h("td", {}, t.outcome), h("td", {}, t.reason)))))));
