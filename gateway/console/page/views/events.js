// Events: what happens now, who is told of it, and what did not get through.

import { follow, get, post, remove } from "../lib/api.js";
import { h, ago, clock, confirm, number, problem, state, toast } from "../lib/dom.js";

const kept = 50; // events in the list

export function mount(root) {
  let chosen = null;
  const failed = h("div");
  const rows = h("tbody");
  const happened = h("ol", { class: "list feed" });
  const quiet = h("p", { class: "quiet" }, "Nothing yet.");
  const deliveries = h("section", { class: "card flush", hidden: true });
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Events"), h("p", {}, "Subscribers are told by signed webhooks.")),
    failed,
    h("section", { class: "card flush" }, h("h2", {}, "Subscribers"),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Subscribers" }, h("table", {},
        h("thead", {}, h("tr", {}, ...["Address", "State", "Types"].map((t) => h("th", { scope: "col" }, t)),
          ...["Delivered", "Pending", "Dead letters"].map((t) => h("th", { scope: "col", class: "number" }, t)),
          h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))), rows))),
    deliveries,
    h("section", { class: "card" }, h("h2", {}, "Now"), quiet, happened)));

  const close = follow("/events/stream", {
    event(name, event) {
      quiet.hidden = true;
      const about = event.data?.request_id || event.data?.id || "";
      happened.prepend(h("li", { class: "row" }, h("span", { class: "quiet small mono" }, clock(event.timestamp || Date.now())), h("b", {}, name), h("span", { class: "mono small grow" }, about)));
      while (happened.children.length > kept) happened.lastChild.remove();
    },
    lost: (error) => problem(failed, error.message ? error : null),
  });
  const poll = setInterval(load, 3000);
  load();

  async function load() {
    try {
      const { subscribers } = await get("/events/subscribers");
      if (rows.contains(document.activeElement)) return; // somebody is about to press a button
      rows.replaceChildren(...(subscribers.length ? subscribers.map(row)
        : [h("tr", {}, h("td", { colspan: 7, class: "quiet" }, "Nobody subscribes. POST /events/subscribers registers an address."))]));
    } catch (error) {
      problem(failed, error);
    }
  }

  const row = (s) => h("tr", {},
    h("td", { class: "mono" }, s.url), h("td", {}, state(s.state), s.reason && h("div", { class: "small quiet" }, s.reason)), h("td", {}, s.types.join(", ")),
    h("td", { class: "number" }, number(s.counters.delivered)), h("td", { class: "number" }, number(s.counters.pending)), h("td", { class: "number" }, number(s.counters.dead_letters)),
    h("td", {}, h("div", { class: "row" },
      h("button", { "aria-label": `Deliveries to ${s.url}`, onclick: () => show(s) }, "Deliveries"),
      h("button", { "aria-label": `Send a test event to ${s.url}`, onclick: () => act(() => post(`/events/subscribers/${s.id}/test`), "A test event is on its way.") }, "Test"),
      h("button", { class: "danger", "aria-label": `End the subscription of ${s.url}`, onclick: () => end(s) }, "End"))));

  async function act(what, said) {
    try {
      await what();
      document.activeElement?.blur();
      toast(said);
      await load();
      if (chosen) await show(chosen);
    } catch (error) {
      toast(error.message);
    }
  }

  async function end(s) {
    if (await confirm(`End the subscription of ${s.url}?`, "End it")) await act(() => remove(`/events/subscribers/${s.id}`), "Ended.");
  }

  async function show(s) {
    chosen = s;
    const { deliveries: list } = await get(`/events/subscribers/${s.id}/deliveries?limit=50`);
    deliveries.hidden = false;
    deliveries.replaceChildren(h("h2", {}, `Deliveries to ${s.url}`),
      list.length === 0 ? h("p", { class: "empty" }, "None yet.") : h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Deliveries" }, h("table", {},
        h("thead", {}, h("tr", {}, ...["Event", "State", "Since", "Attempts"].map((t) => h("th", { scope: "col" }, t)), h("th", { scope: "col" }, h("span", { class: "sr" }, "Actions")))),
        h("tbody", {}, ...list.map((d) => {
          const last = d.attempts.at(-1);
          return h("tr", {}, h("td", {}, d.type), h("td", {}, state(d.state), d.reason && h("div", { class: "small quiet" }, d.reason)), h("td", {}, ago(d.created_at)),
            h("td", {}, last ? `${d.attempts.length}, last ${last.status ?? (last.error || "no answer")}, ${last.duration_ms} ms` : "none"),
            h("td", {}, h("button", { onclick: () => act(() => post(`/events/subscribers/${s.id}/deliveries/${d.id}/redeliver`), "It is on its way again.") }, "Redeliver")));
        })))));
  }

  return () => {
    clearInterval(poll);
    close();
    root.replaceChildren();
  };
}
