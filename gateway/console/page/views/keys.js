// Keys: issue, show once, revoke, and who spends what.

import { get, post, remove } from "../lib/api.js";
import { h, ago, confirm, copy, number, problem, toast } from "../lib/dom.js";

export function mount(root) {
  const failed = h("div");
  const rows = h("tbody");
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Keys"), h("p", { class: "grow" }, "For servers, partners and devices."),
      h("button", { class: "primary", onclick: create }, "New key")),
    failed,
    h("section", { class: "card flush" }, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Keys" },
      h("table", {},
        h("thead", {}, h("tr", {}, ...["Key", "Role", "Subject", "Last used"].map((t) => h("th", { scope: "col" }, t)),
          ...["Requests today", "Hits", "Upstream calls", "30 days"].map((t) => h("th", { scope: "col", class: "number" }, t)),
          h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))),
        rows)))));
  const poll = setInterval(load, 5000);
  load();

  async function load() {
    try {
      const { keys } = await get("/admin/keys");
      problem(failed, null);
      if (rows.contains(document.activeElement)) return; // somebody is about to press a button
      rows.replaceChildren(...(keys.length ? keys.map(row) : [h("tr", {}, h("td", { colspan: 9, class: "quiet" }, "There are no keys yet."))]));
    } catch (error) {
      problem(failed, error);
    }
  }

  const row = (k) => h("tr", {},
    h("td", {}, h("span", { class: "mono" }, `gg_${k.id}_…`), k.label && h("div", { class: "small quiet" }, k.label),
      k.expires_at && h("div", { class: "small quiet" }, `until ${new Date(k.expires_at).toLocaleDateString("en-GB")}`)),
    h("td", {}, k.role), h("td", {}, k.subject),
    h("td", {}, k.last_used_at ? ago(k.last_used_at) : "never"),
    h("td", { class: "number" }, number(k.today.requests)), h("td", { class: "number" }, number(k.today.cache_hits)),
    h("td", { class: "number" }, number(k.today.upstream_calls)), h("td", { class: "number" }, number(k.last_30_days.requests)),
    h("td", {}, h("button", { class: "danger", "aria-label": `Revoke the key of ${k.subject}`, onclick: () => revoke(k) }, "Revoke")));

  async function revoke(k) {
    if (!(await confirm(`Revoke the key of ${k.subject}? Whoever uses it is refused within two seconds.`, "Revoke the key"))) return;
    try {
      await remove(`/admin/keys/${k.id}`);
      document.activeElement?.blur();
      toast("Revoked.");
      await load();
    } catch (error) {
      toast(error.message);
    }
  }

  function create() {
    const wrong = h("div");
    const field = (name, label, properties = {}) => h("label", { class: "field" }, label, h("input", { name, autocomplete: "off", ...properties }));
    const dialog = h("dialog", { "aria-labelledby": "new-key" }, h("form", {
      onsubmit: async (e) => {
        e.preventDefault();
        const body = Object.fromEntries([...new FormData(e.target)].filter(([, value]) => value));
        try {
          const made = await post("/admin/keys", body);
          reveal(dialog, made.key);
          await load();
        } catch (error) {
          problem(wrong, error);
        }
      },
    },
    h("h2", { id: "new-key" }, "New key"),
    h("label", { class: "field" }, "Role", h("select", { name: "role" }, ...["operator", "rider", "driver", "admin"].map((r) => h("option", {}, r)))),
    field("subject", "Subject: whom or what it is for", { required: true, placeholder: "dispatch-office" }),
    field("label", "Label"), field("expires", "Expires after", { placeholder: "90d; empty: never" }),
    field("rate", "Rate", { placeholder: "6000/1m; empty: as everybody" }),
    field("upstream_budget", "Budget at the geocoders", { placeholder: "1000/1d; empty: none" }),
    wrong,
    h("div", { class: "row" }, h("button", { class: "primary" }, "Create"), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
  }

  function reveal(dialog, key) {
    dialog.replaceChildren(h("div", { class: "stack" },
      h("h2", { id: "new-key" }, "Here is the key"), h("p", {}, "It is shown this once. geogate keeps a hash of it only."),
      h("pre", { tabindex: 0, "aria-label": "The key" }, key),
      h("div", { class: "row" }, h("button", { class: "primary", onclick: () => copy(key) }, "Copy"), h("button", { onclick: () => dialog.close() }, "Done"))));
  }

  return () => {
    clearInterval(poll);
    root.replaceChildren();
  };
}
