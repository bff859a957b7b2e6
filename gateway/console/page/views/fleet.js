// Fleet: the processes that share one Redis, and the mode that all of them are in.

import { get, put } from "../lib/api.js";
import { h, ago, confirm, problem, toast } from "../lib/dom.js";

const modes = {
  normal: "Everything works.",
  cached_only: "No geocoder is asked; what is in the cache is answered.",
  read_only: "No new ride begins; rides under way go on to their end.",
};

const words = (mode) => mode.replace("_", " ");

export function mount(root) {
  let seen = null; // the generation that the form is about
  let touched = false;
  const failed = h("div"), conflict = h("div");
  const present = h("div", { class: "stack" });
  const choice = h("select", { name: "mode", onchange: touch }, ...Object.keys(modes).map((m) => h("option", { value: m }, words(m))));
  const meaning = h("p", { class: "small quiet" });
  const reason = h("input", { name: "reason", autocomplete: "off", maxlength: 256, placeholder: "the bill is spent", oninput: touch });
  const warnings = h("div", { class: "stack", role: "status" });
  const rows = h("tbody");
  const form = h("form", { class: "card", onsubmit: (e) => { e.preventDefault(); change(); } },
    h("h2", {}, "Change the mode"),
    h("label", { class: "field" }, "Mode of all processes", choice), meaning,
    h("label", { class: "field" }, "Reason", reason),
    conflict, h("div", { class: "row" }, h("button", { class: "primary" }, "Change the mode")));
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Fleet"), h("p", {}, "The processes that share one Redis.")),
    failed, warnings,
    h("div", { class: "columns" }, h("section", { class: "card", "aria-label": "Mode" }, h("h2", {}, "Mode"), present), form),
    h("section", { class: "card flush" }, h("h2", {}, "Processes"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Processes" }, h("table", {},
        h("thead", {}, h("tr", {}, ...["Name", "Status", "Version", "Address", "Started"].map((t) => h("th", { scope: "col" }, t)),
          h("th", { scope: "col", class: "number" }, "Knows generation"))), rows)))));
  const poll = setInterval(load, 2000);
  load();

  function touch() {
    touched = true;
    meaning.textContent = modes[choice.value];
  }

  async function load() {
    const [mode, fleet] = await Promise.allSettled([get("/admin/mode"), get("/admin/fleet")]);
    problem(failed, mode.reason ?? fleet.reason);
    if (mode.value) show(mode.value);
    if (fleet.value) list(fleet.value.members, mode.value?.generation ?? 0);
  }

  // show tells the mode. A form that somebody fills in stays about the one they saw.
  function show(mode) {
    present.replaceChildren(
      h("p", { class: "figure" }, h("b", {}, h("span", { class: `state ${mode.mode === "normal" ? "good" : "warn"}` }, words(mode.mode)))),
      h("p", {}, modes[mode.mode]),
      h("dl", {},
        ...(mode.reason ? [h("dt", {}, "Reason"), h("dd", {}, mode.reason)] : []),
        ...(mode.set_at ? [h("dt", {}, "Set"), h("dd", {}, `${ago(mode.set_at)}${mode.set_by ? ` by ${mode.set_by}` : ""}`)] : []),
        h("dt", {}, "Generation"), h("dd", {}, String(mode.generation))));
    if (touched) return;
    seen = mode.generation;
    choice.value = mode.mode;
    meaning.textContent = modes[mode.mode];
  }

  function list(members, generation) {
    const versions = [...new Set(members.map((m) => m.version))].sort();
    const away = members.filter((m) => m.status === "unreachable");
    warnings.replaceChildren(
      ...(away.length ? [h("p", { class: "problem" }, `${away.length === 1 ? "A process is" : `${away.length} processes are`} unreachable: ${away.map((m) => m.name).join(", ")}.`)] : []),
      ...(versions.length > 1 ? [h("p", { class: "problem" }, `${versions.length} versions run side by side: ${versions.join(", ")}.`)] : []));
    rows.replaceChildren(...members.map((m) => h("tr", {},
      h("td", { class: "mono" }, m.name),
      h("td", {}, h("span", { class: `state ${{ alive: "good", unreachable: "bad" }[m.status] || "warn"}` }, m.status)),
      h("td", {}, m.version), h("td", { class: "mono" }, m.address), h("td", {}, ago(m.started_at)),
      h("td", { class: "number" }, m.generation < generation ? `${m.generation}, behind` : String(m.generation)))));
  }

  async function change() {
    problem(conflict, null);
    if (!(await confirm(`${modes[choice.value]} This holds for all processes at once.`, `Change to ${words(choice.value)}`))) return;
    try {
      const mode = await put("/admin/mode", { mode: choice.value, reason: reason.value.trim(), if_generation: seen });
      touched = false;
      reason.value = "";
      toast(`The mode is ${words(mode.mode)}.`);
      await load();
    } catch (error) {
      const now = error.body;
      if (error.status === 409 && now?.mode) {
        seen = now.generation;
        show(now);
        error = new Error(`Somebody was faster${now.set_by ? `: ${now.set_by}` : ""}. The mode is ${words(now.mode)} now${now.reason ? ` (${now.reason})` : ""}. Change it again if you still want to.`);
      }
      problem(conflict, error);
    }
  }

  return () => {
    clearInterval(poll);
    root.replaceChildren();
  };
}
