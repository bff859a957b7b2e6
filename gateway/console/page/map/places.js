// A map of places that were found.

import { h, number, problem } from "../lib/dom.js";
import { createMap } from "./base.js";

const source = "geogate places";

// showPlaces draws the places, which may be a part of all that were found.
export function showPlaces(places, found) {
  let map = null, gone = false;
  const canvas = h("div", { class: "canvas" });
  const named = h("p", { class: "small quiet", role: "status" },
    places.length < found ? `The first ${number(places.length)} of ${number(found)} places.` : `${number(found)} ${found === 1 ? "place" : "places"}.`);
  const element = h("section", { class: "card flush", id: "places" },
    h("div", { class: "row" }, h("h2", { class: "grow" }, "Map"), named),
    h("div", { class: "sample", role: "region", "aria-label": "Map of the places" }, canvas));

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const paint = () => ({
    "circle-radius": places.length > 500 ? 4 : 6, "circle-color": colour("--accent"), "circle-opacity": 0.8,
    "circle-stroke-color": colour("--surface"), "circle-stroke-width": 1.5,
  });
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const repaint = () => { for (const [name, value] of Object.entries(paint())) map?.setPaintProperty(source, name, value); };
  scheme.addEventListener("change", repaint);

  const span = (key) => places.reduce(([least, greatest], p) => [Math.min(least, p[key]), Math.max(greatest, p[key])], [Infinity, -Infinity]);
  const [west, east] = span("lng"), [south, north] = span("lat");
  createMap(canvas, { bounds: [[west, south], [east, north]], fitBoundsOptions: { padding: 40, maxZoom: 9 } }).then((made) => {
    if (gone) return made.remove();
    map = made;
    map.addSource(source, {
      type: "geojson",
      data: {
        type: "FeatureCollection",
        features: places.map(({ row, lat, lng, name }) => ({ type: "Feature", properties: { row, name }, geometry: { type: "Point", coordinates: [lng, lat] } })),
      },
    });
    map.addLayer({ id: source, type: "circle", source, paint: paint() });
    map.on("click", source, ({ features: [{ properties: p }] }) => { named.textContent = `Row ${number(p.row)}: ${p.name}`; });
    map.on("mousemove", (e) => { map.getCanvas().style.cursor = map.queryRenderedFeatures(e.point, { layers: [source] }).length ? "pointer" : ""; });
    map.getCanvas().setAttribute("aria-label", "Map of the places; the downloads have them as text");
    window.geogatePlaces = map; // for whoever looks into it by the browser's tools
  }, (error) => problem(canvas, new Error(`This browser cannot draw the map: ${error.message}`)));

  return {
    element,
    close() {
      gone = true;
      scheme.removeEventListener("change", repaint);
      map?.remove();
    },
  };
}
