// The map: drivers and rides as they move.

import { follow, get, post, remove } from "../lib/api.js";
import { h, state, ago, metres, number, problem, confirm, toast } from "../lib/dom.js";
import { rideActions, timeline } from "../lib/rides.js";
import { createMap } from "../map/base.js";
import { Fleet, driverStates } from "../map/fleet.js";
import { searchBox } from "../map/search.js";

const listed = 40; // drivers in the list for keyboards
const remembered = 5; // rides of a driver

export function mount(root, { may }) {
  const fleet = new Fleet();
  const rides = new Map();
  let past = { stop() {} }; // of what was chosen
  let map = null, stop = () => {}, box = "", chosen = null, fitted = location.hash.includes("?"), gone = false;

  const canvas = h("div", { class: "canvas" });
  const told = h("p", { class: "small quiet", role: "status" }, "Connecting …");
  const counts = {};
  const legend = h("fieldset", { class: "legend" }, h("legend", { class: "sr" }, "Drivers by state"),
    ...driverStates.map((name) => h("label", {},
      h("input", { type: "checkbox", checked: true, onchange: (e) => { fleet.shown[name] = e.target.checked; draw(); } }),
      state(name), (counts[name] = h("output", {}, "0")))));
  const filter = h("input", { type: "search", id: "filter", placeholder: "such as van or xl", oninput: () => narrow() });
  const details = h("section", { "aria-label": "Details", class: "stack", hidden: true });
  const drivers = h("ul", { class: "list" });
  const rideList = h("ul", { class: "list" });
  const driverTitle = h("h2", {}, "Drivers"), rideTitle = h("h2", {}, "Rides");
  const panel = h("section", { class: "panel", "aria-label": "What the map shows" },
    h("h1", { class: "sr" }, "Map"),
    searchBox(({ lat, lng }) => map?.flyTo({ center: [lng, lat], zoom: 13 })),
    details, legend,
    h("label", { class: "field" }, "Vehicle or tag", filter), told,
    h("section", { class: "stack" }, driverTitle, drivers), h("section", { class: "stack" }, rideTitle, rideList));
  root.append(h("div", { class: "atlas" }, panel, h("div", { class: "map", role: "region", "aria-label": "Map" }, canvas)));

  function narrow() {
    const words = filter.value.toLowerCase().split(/[\s,]+/).filter(Boolean);
    fleet.matches = (d) => words.every((w) => d.vehicle?.toLowerCase() === w || d.tags?.some((t) => t.toLowerCase() === w));
    draw();
  }

  // take applies one event of the stream.
  function take(name, data, first) {
    if (name === "gone") {
      data.drivers.forEach((id) => fleet.delete(id));
      data.rides.forEach((id) => rides.delete(id));
    } else if (name === "drivers") {
      if (first.drivers) {
        const here = new Set(data.drivers.map((d) => d.id));
        for (const id of fleet.drivers.keys()) if (!here.has(id)) fleet.delete(id);
        first.drivers = false;
      }
      data.drivers.forEach((d) => fleet.set(d));
      fit();
    } else if (name === "rides") {
      if (first.rides) rides.clear();
      first.rides = false;
      data.rides.forEach((r) => rides.set(r.request_id, r));
    }
    draw();
  }

  let drawing = false;
  function draw() { // at most once a frame
    if (drawing || gone) return;
    drawing = true;
    requestAnimationFrame(() => {
      drawing = false;
      if (gone) return;
      fleet.links = [...rides.values()].filter((r) => r.driver).map((r) => {
        const to = (r.state === "started" && r.dropoff) || r.pickup;
        return [r.driver.id, to.lng, to.lat];
      });
      fleet.refresh();
      map?.getSource("geogate rides")?.setData({ type: "FeatureCollection", features: [...rides.values()].flatMap(points) });
      list();
    });
  }

  function points(r) {
    const point = ({ lng, lat }, kind) => ({
      type: "Feature", properties: { id: r.request_id, state: r.state, kind }, geometry: { type: "Point", coordinates: [lng, lat] },
    });
    return [point(r.pickup, "pickup"), ...(r.dropoff ? [point(r.dropoff, "dropoff")] : [])];
  }

  let written = 0, later = 0;
  function list() {
    clearTimeout(later);
    if (gone) return;
    const wait = written + 900 - performance.now();
    if (written > 0 && wait > 0) { // nobody else may move for long
      later = setTimeout(list, wait);
      return;
    }
    written = performance.now();
    const by = { available: 0, reserved: 0, busy: 0 };
    const seen = [];
    for (const d of fleet.drivers.values()) {
      if (!fleet.matches(d)) continue;
      by[d.state] = (by[d.state] || 0) + 1;
      if (fleet.shown[d.state] && seen.length < listed) seen.push(d);
    }
    for (const name of driverStates) counts[name].textContent = number(by[name]);
    driverTitle.textContent = `Drivers (${number(by.available + by.reserved + by.busy)})`;
    rideTitle.textContent = `Rides (${number(rides.size)})`;
    fill(drivers, seen.map((d) => [`driver ${d.id}`, d.id, d.state]));
    fill(rideList, [...rides.values()].slice(0, listed).map((r) => [`ride ${r.request_id}`, r.request_id.split(".").pop().slice(0, 10), r.state]));
    if (chosen) show();
  }

  // fill writes a list without taking the focus from its buttons.
  function fill(ul, entries) {
    const there = new Map([...ul.children].map((li) => [li.dataset.key, li]));
    const wanted = entries.map(([key, name, status]) => {
      const li = there.get(key) || h("li", { "data-key": key }, h("button", { onclick: () => choose(key) }, h("span", {}, name), h("span", {})));
      const button = li.firstChild;
      if (button.lastChild.textContent !== status) button.lastChild.replaceChildren(state(status));
      button.setAttribute("aria-pressed", String(chosen === key));
      return li;
    });
    if (wanted.length !== ul.children.length || wanted.some((li, i) => li !== ul.children[i])) ul.replaceChildren(...wanted);
    if (entries.length === 0) ul.replaceChildren(h("li", { class: "quiet small" }, "None here."));
  }

  function choose(key, fly = true) {
    past.stop();
    chosen = key;
    const [kind, id] = split(key);
    past = kind === "ride" ? timeline(id) : ridesOf(id);
    const at = kind === "driver" ? fleet.position(id) : rides.get(id)?.pickup;
    if (fly && at) map?.easeTo({ center: [at.lng, at.lat], zoom: Math.max(13, map.getZoom()) });
    show(true);
    written = 0;
    list();
    panel.scrollTop = 0;
  }

  // ridesOf lists the last rides of a driver.
  function ridesOf(id) {
    const element = h("ul", { class: "list" }, h("li", { class: "quiet small" }, "Looking …"));
    const leaving = new AbortController();
    get(`/v2/requests?driver=${encodeURIComponent(id)}&limit=${remembered}`, { signal: leaving.signal }).then(({ requests }) => {
      const entries = requests.map((r) => h("li", {}, h("button", { onclick: () => choose(`ride ${r.request_id}`) }, h("span", {}, ago(r.created_at)), h("span", {}, state(r.state)))));
      element.replaceChildren(...(entries.length ? entries : [h("li", { class: "quiet small" }, "None yet.")]));
    }, (error) => { if (!leaving.signal.aborted) element.replaceChildren(h("li", { class: "small" }, error.message)); });
    return { element, stop: () => leaving.abort() };
  }

  const split = (key) => [key.slice(0, key.indexOf(" ")), key.slice(key.indexOf(" ") + 1)];

  // show writes the details of what was chosen. What only moves is written in place: a
  // button must not go away under a finger.
  let shown = "";
  function show(anew) {
    const [kind, id] = split(chosen);
    const thing = kind === "driver" ? fleet.drivers.get(id) : rides.get(id);
    const facts = thing ? (kind === "driver" ? factsOfDriver(thing) : factsOfRide(thing)) : [];
    const form = JSON.stringify([chosen, thing?.state, thing?.version, thing?.request_id, facts.map(([name]) => name)]);
    if (!anew && form === shown) {
      const places = details.querySelectorAll("dd");
      facts.forEach(([, value], i) => { if (typeof value === "string" && places[i].textContent !== value) places[i].textContent = value; });
      return;
    }
    shown = form;
    details.hidden = false;
    const close = h("button", { class: "plain", "aria-label": "Close the details", onclick: () => { past.stop(); chosen = null; details.hidden = true; written = 0; list(); } }, "✕");
    details.replaceChildren(
      h("div", { class: "row" }, h("h2", { class: "grow", tabindex: -1 }, kind === "driver" ? "Driver " : "Ride ", h("span", { class: "mono" }, kind === "driver" ? id : id.split(".").pop().slice(0, 16))), close),
      ...(thing ? [h("dl", {}, ...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])), actions(kind, id, thing)]
        : [h("p", { class: "quiet" }, "No longer on the map.")]),
      h("h3", {}, kind === "driver" ? "Last rides" : "Timeline"), past.element);
    if (anew) details.querySelector("h2").focus({ preventScroll: true });
  }

  const known = (facts) => facts.filter(([, value]) => value);

  const factsOfDriver = (d) => known([
    ["State", state(d.state)], ["Seen", ago(d.seen_at)], ["Vehicle", d.vehicle], ["Tags", d.tags?.join(", ")], ["Region", d.region],
    ["Speed", typeof d.speed === "number" && `${Math.round(d.speed * 3.6)} km/h`], ["Position", `${d.lat.toFixed(5)}, ${d.lng.toFixed(5)}`],
  ]);

  const factsOfRide = (r) => known([
    ["State", state(r.state)], ["Reason", r.reason], ["Since", ago(r.updated_at)], ["Rider", r.rider_id], ["Driver", r.driver?.id],
    ["Distance", r.driver && metres(r.driver.distance_m)], ["Requested", ago(r.created_at)], ["Vehicle", r.vehicle], ["Tags", r.tags?.join(", ")],
  ]);

  function actions(kind, id, thing) {
    if (kind === "driver") {
      return h("p", { class: "row" },
        thing.request_id && h("button", { onclick: () => choose(`ride ${thing.request_id}`) }, "Show their ride"),
        may("drive") && h("button", { onclick: () => endShift(thing) }, "Take off shift"),
        may("drive") && !thing.request_id && h("button", { class: "danger", onclick: () => forget(thing) }, "Erase this driver"));
    }
    return h("p", { class: "row" },
      thing.driver && h("button", { onclick: () => choose(`driver ${thing.driver.id}`) }, "Show the driver"),
      ...rideActions(thing));
  }

  const pathOf = (d, step = "") => `/v2/drivers/${encodeURIComponent(d.id)}${step}?region=${encodeURIComponent(d.region)}`;

  async function endShift(d) {
    const question = d.request_id ? "End this driver's shift? They finish their ride first." : "End this driver's shift? They get no rides until they go online again.";
    if (!(await confirm(question, "End their shift"))) return;
    try {
      const after = await post(pathOf(d, "/offline"));
      if (after.state === "offline") fleet.delete(d.id);
      draw();
      toast(after.state === "offline" ? "They are off shift." : "They go off shift after their ride.");
    } catch (error) {
      toast(error.message);
    }
  }

  async function forget(d) {
    if (!(await confirm("Erase all that is known of this driver? They come back with their next position.", "Erase the driver"))) return;
    try {
      await remove(pathOf(d));
    } catch (error) {
      toast(error.message);
    }
  }

  // showRegions draws the regions that have a place.
  async function showRegions() {
    const { regions } = await get("/v2/regions");
    if (gone) return;
    map.addSource("geogate regions", {
      type: "geojson",
      data: { type: "FeatureCollection", features: regions.filter((r) => r.geometry).map(({ name, geometry }) => ({ type: "Feature", properties: { name }, geometry })) },
    });
    map.addLayer({ id: "geogate regions", type: "fill", source: "geogate regions", paint: { "fill-color": colour("--note"), "fill-opacity": 0.06 } }, fleet.id);
    map.addLayer({
      id: "geogate edges", type: "line", source: "geogate regions",
      paint: { "line-color": colour("--note"), "line-width": 2, "line-opacity": 0.8, "line-dasharray": [4, 2] },
    }, fleet.id);
  }

  // fit shows, once, where most drivers are.
  function fit() {
    if (fitted || fleet.drivers.size === 0 || !map) return;
    fitted = true;
    const sorted = (key) => [...fleet.drivers.values()].map((d) => d[key]).sort((a, b) => a - b);
    const lngs = sorted("lng"), lats = sorted("lat");
    const part = (list, share) => list[Math.floor((list.length - 1) * share)];
    map.fitBounds([[part(lngs, 0.02), part(lats, 0.02)], [part(lngs, 0.98), part(lats, 0.98)]], { padding: 40, maxZoom: 14, duration: 0 });
  }

  // watch follows a box around what is visible, on a grid: maps of the same place share
  // one, and small moves need no other.
  function watch() {
    const b = map.getBounds();
    const cell = 360 / 2 ** Math.max(0, Math.floor(map.getZoom()) - 1);
    const west = Math.floor(b.getWest() / cell) * cell, east = Math.ceil(b.getEast() / cell) * cell;
    const south = Math.max(-90, Math.floor(b.getSouth() / cell) * cell), north = Math.min(90, Math.ceil(b.getNorth() / cell) * cell);
    const turn = (lng) => ((((lng + 180) % 360) + 360) % 360) - 180;
    const next = east - west >= 360 || !fitted ? `-180,${fitted ? south : -90},180,${fitted ? north : 90}`
      : [turn(west), south, turn(east) === -180 ? 180 : turn(east), north].map((n) => +n.toFixed(6)).join(",");
    if (next === box) return;
    box = next;
    const before = stop;
    const first = { drivers: true, rides: true };
    let opened = false;
    stop = follow(`/v2/map/events?bbox=${next}`, {
      event: (name, data) => take(name, data, first),
      opened: () => {
        Object.assign(first, { drivers: true, rides: true });
        if (!opened) before();
        opened = true;
        told.textContent = "Live.";
      },
      lost: (error) => { told.textContent = `${error.message || "The connection was lost."} Trying again …`; if (!opened) before(); opened = true; },
    });
  }

  function keepPlace() {
    const c = map.getCenter();
    if (fitted) history.replaceState(null, "", `#/map?${map.getZoom().toFixed(2)}/${c.lat.toFixed(5)}/${c.lng.toFixed(5)}`);
  }

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const [zoom, lat, lng] = (location.hash.split("?")[1] || "").split("/").map(Number);
  const begin = Number.isFinite(lng) ? { zoom, center: [lng, lat] } : { zoom: 1.5, center: [10, 30] };
  if (!Number.isFinite(lng)) fitted = false;
  createMap(canvas, begin).then((made) => {
    if (gone) return made.remove();
    map = made;
    fleet.map = map;
    map.addSource("geogate rides", { type: "geojson", data: { type: "FeatureCollection", features: [] } });
    map.addLayer(fleet);
    map.addLayer({
      id: "geogate rides", type: "circle", source: "geogate rides",
      paint: {
        "circle-radius": ["match", ["get", "kind"], "pickup", 6, 4],
        "circle-color": colour("--surface"),
        "circle-stroke-color": ["match", ["get", "kind"], "dropoff", colour("--quiet"), ["match", ["get", "state"], "searching", colour("--note"), "offered", colour("--warn"), colour("--info")]],
        "circle-stroke-width": 3,
      },
    });
    map.on("click", (e) => {
      const [ride] = map.queryRenderedFeatures(e.point, { layers: ["geogate rides"] });
      const driver = fleet.near(e.point, 18);
      if (ride) choose(`ride ${ride.properties.id}`, false);
      else if (driver) choose(`driver ${driver.id}`, false);
    });
    map.on("mousemove", (e) => { map.getCanvas().style.cursor = fleet.near(e.point, 14) ? "pointer" : ""; });
    map.on("moveend", () => { watch(); keepPlace(); });
    map.getCanvas().setAttribute("aria-label", "Map of drivers and rides; the lists beside it have the same");
    showRegions().catch((error) => toast(error.message));
    watch();
    draw();
    window.geogateMap = { map, fleet, rides }; // for whoever looks into it by the browser's tools
  }, (error) => problem(canvas, new Error(`This browser cannot draw the map: ${error.message}`)));

  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => { fleet.paint(); draw(); };
  scheme.addEventListener("change", repaint);
  return () => {
    gone = true;
    stop();
    past.stop();
    scheme.removeEventListener("change", repaint);
    map?.remove();
    root.replaceChildren();
  };
}
