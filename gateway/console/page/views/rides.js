// Rides: those that are live, and what became of one.

import { follow } from "../lib/api.js";
import { h, ago, number, state } from "../lib/dom.js";
import { rideActions, timeline } from "../lib/rides.js";

const most = 200; // rows of the table
const everywhere = "/v2/map/events?bbox=-180,-90,180,90";

export function mount(root, { rest }) {
  const rides = new Map();
  let chosen = null, stop = () => {}, first = true;
  const filter = h("select", { id: "state", onchange: () => draw() },
    h("option", { value: "" }, "all states"), ...["searching", "offered", "matched", "arrived", "started"].map((s) => h("option", {}, s)));
  const words = h("input", { type: "search", placeholder: "id, rider or driver", oninput: () => draw() });
  const rows = h("tbody");
  const told = h("p", { role: "status" }, "Connecting …");
  const past = h("section", { class: "card", "aria-live": "polite" }, h("h2", {}, "Timeline"), h("p", { class: "quiet" }, "Choose a ride."));
  root.append(h("div", { class: "page" },
    h("header", {}, h("h1", {}, "Rides"), told),
    h("div", { class: "row" }, h("label", { class: "field" }, "State", filter), h("label", { class: "field grow" }, "Search", words)),
    h("div", { class: "split" },
      h("section", { class: "card flush" }, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Live rides" },
        h("table", {}, h("thead", {}, h("tr", {}, ...["Ride", "State", "Rider", "Driver", "Requested"].map((t) => h("th", { scope: "col" }, t)))), rows))),
      past)));

  const close = follow(everywhere, {
    opened: () => { first = true; },
    event(name, data) {
      if (name === "rides") {
        if (first) rides.clear();
        first = false;
        data.rides.forEach((r) => rides.set(r.request_id, r));
      } else if (name === "gone") data.rides.forEach((id) => rides.delete(id));
      draw();
    },
    lost: (error) => { told.textContent = `${error.message || "The connection was lost."} Trying again …`; },
  });

  let drawn = 0, later = 0;
  function draw() {
    clearTimeout(later);
    const wait = drawn + 500 - performance.now();
    if (wait > 0) { later = setTimeout(draw, wait); return; }
    drawn = performance.now();
    const word = words.value.trim().toLowerCase();
    const found = [...rides.values()].filter((r) => (!filter.value || r.state === filter.value) &&
      (!word || [r.request_id, r.rider_id, r.driver?.id].some((t) => t?.toLowerCase().includes(word))));
    found.sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
    told.textContent = found.length > most ? `${number(rides.size)} live; the newest ${most} of ${number(found.length)} are shown.` : `${number(rides.size)} live.`;
    const there = new Map([...rows.children].map((tr) => [tr.dataset.id, tr]));
    const wanted = found.slice(0, most).map((r) => {
      const key = `${r.version} ${ago(r.created_at)} ${chosen === r.request_id}`;
      let tr = there.get(r.request_id);
      if (tr?.dataset.key === key) return tr;
      const cells = [h("td", {}, state(r.state)), h("td", {}, r.rider_id || "–"), h("td", {}, r.driver?.id || "–"), h("td", {}, ago(r.created_at))];
      if (tr) {
        tr.replaceChildren(tr.firstChild, ...cells);
        tr.firstChild.firstChild.setAttribute("aria-pressed", String(chosen === r.request_id));
      } else {
        tr = h("tr", { "data-id": r.request_id }, h("td", {}, h("button", { class: "plain mono", "aria-pressed": "false", onclick: () => choose(r.request_id) }, r.request_id.split(".").pop().slice(0, 10))), ...cells);
      }
      tr.dataset.key = key;
      return tr;
    });
    if (wanted.length === 0) rows.replaceChildren(h("tr", {}, h("td", { colspan: 5, class: "quiet" }, "No live ride.")));
    else if (wanted.length !== rows.children.length || wanted.some((tr, i) => tr !== rows.children[i])) {
      const focused = document.activeElement;
      rows.replaceChildren(...wanted);
      if (rows.contains(focused)) focused.focus({ preventScroll: true });
    }
  }

  // choose follows one ride from its beginning.
  function choose(id) {
    stop();
    chosen = id;
    draw();
    const actions = h("div", { class: "row" });
    const steps = timeline(id, (ride) => actions.replaceChildren(...rideActions(ride)));
    past.replaceChildren(h("h2", {}, "Timeline"), h("p", { class: "mono small" }, id), steps.element, actions);
    stop = steps.stop;
  }
  if (rest[0]) choose(decodeURIComponent(rest[0]));
  return () => {
    clearTimeout(later);
    close();
    stop();
    root.replaceChildren();
  };
}
