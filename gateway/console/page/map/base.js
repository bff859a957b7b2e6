// The map that everything is drawn on: what the operator put under it, or the outlines and
// town names that geogate has built in.

import * as maplibre from "../vendor/maplibre-gl.mjs";
import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { archiveLayers, archiveSource, readArchives } from "./archive.js";
import { world } from "./outlines.js";
import { Towns } from "./towns.js";

maplibre.setWorkerUrl(new URL("../vendor/maplibre-gl-worker.mjs", import.meta.url).href);

export { maplibre };

const dark = matchMedia("(prefers-color-scheme: dark)");
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

const palettes = {
  light: {
    sea: "#d6e4ea", land: "#f6f5f1", edge: "#b9c6cc", border: "#c3b9ab", text: "#3b4650", halo: "#ffffff",
    green: "#e3ecd9", building: "#e6e2da", street: "#ffffff", kerb: "#d3ccc0",
  },
  dark: {
    sea: "#0e1a22", land: "#1a232c", edge: "#33424f", border: "#46525e", text: "#b4c0cb", halo: "#131a21",
    green: "#1b2b29", building: "#232d37", street: "#3a4753", kerb: "#141b22",
  },
};
const palette = () => palettes[dark.matches ? "dark" : "light"];

const noFeatures = { type: "FeatureCollection", features: [] };

// builtIn is the map that geogate has, with the tiles of an archive over it if there is one.
function builtIn(tiles) {
  const p = palette();
  const name = (id, filter, size, minzoom = 0) => ({
    id, type: "symbol", source: "towns", minzoom, filter,
    layout: {
      "text-field": ["get", "name"], "text-font": ["sans-serif"], "text-size": size, "text-padding": 6,
      "symbol-sort-key": ["-", 0, ["get", "population"]],
    },
    paint: { "text-color": p.text, "text-halo-color": p.halo, "text-halo-width": 1.4 },
  });
  return {
    version: 8,
    sources: {
      land: { type: "geojson", data: noFeatures, attribution: "Outlines: Natural Earth" },
      borders: { type: "geojson", data: noFeatures },
      towns: { type: "geojson", data: noFeatures, attribution: 'Places: <a href="https://www.geonames.org/">GeoNames</a>, CC BY 4.0' },
      ...(tiles && { tiles: archiveSource(tiles) }),
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": p.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": p.land } },
      { id: "coast", type: "line", source: "land", paint: { "line-color": p.edge, "line-width": 1 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": p.border, "line-width": 1, "line-dasharray": [3, 2] } },
      ...(tiles ? archiveLayers(tiles, p) : []),
      name("villages", ["<", ["get", "population"], 20000], 11, 7),
      name("towns", ["all", [">=", ["get", "population"], 20000], ["<", ["get", "population"], 300000]], 12.5),
      name("cities", [">=", ["get", "population"], 300000], 14.5),
    ],
  };
}

// createMap puts a map into an element. The built-in one keeps its colours in step with the
// system's. The promise is rejected where the browser cannot draw a map.
export async function createMap(container, options) {
  const { style, tiles, problem } = await get("/console/basemap");
  if (tiles || JSON.stringify(style?.sources ?? "").includes("pmtiles://")) await readArchives(maplibre);
  const map = new maplibre.Map({
    container, style: style ?? builtIn(tiles), attributionControl: false, dragRotate: false, pitchWithRotate: false,
    maxPitch: 0, fadeDuration: 0, renderWorldCopies: true, ...options,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.AttributionControl({ compact: false }));
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl(), "bottom-left");
  const note = new Note();
  map.addControl(note, "top-left");
  if (!style) {
    if (problem) note.say(`The built-in map: ${problem}.`);
    await map.once("load");
    furnish(map, tiles);
    return map;
  }
  const wrong = await drawn(map);
  if (wrong) {
    note.say(`The built-in map: your map style cannot be drawn: ${wrong}`);
    map.setStyle(builtIn(), { diff: false });
    await map.once("style.load");
    furnish(map);
  } else {
    map.on("error", () => note.say("Parts of your map style cannot be had."));
  }
  return map;
}

const patience = 10_000; // milliseconds for the first tiles of a style

// drawn waits until a style shows what it has, and returns why it shows nothing. That a
// server has no tile for a place is no mistake: it may have those of one town.
function drawn(map) {
  return new Promise((resolve) => {
    let begun = false, tiles = 0, wrong = "";
    // Without a tile there is nothing to draw, and so nothing to tell that all is drawn.
    const again = setInterval(() => map.triggerRepaint(), 250);
    const late = setTimeout(() => { wrong ||= "its server does not answer"; end(); }, patience);
    const end = () => {
      clearInterval(again);
      clearTimeout(late);
      map.off("error", failed);
      resolve(tiles > 0 ? "" : wrong);
    };
    const failed = ({ error }) => {
      wrong ||= error?.status ? `one of its servers answers ${error.status}` : error?.message || "one of its servers does not answer";
      if (!begun) end();
    };
    map.on("error", failed);
    map.on("data", (e) => { if (e.tile?.state === "loaded") tiles++; });
    map.once("style.load", () => { begun = true; });
    map.once("load", end);
  });
}

// furnish fills what the built-in map shows.
function furnish(map, tiles) {
  const towns = new Towns(map);
  world().then(({ land, borders }) => {
    map.getSource("land")?.setData(land);
    map.getSource("borders")?.setData(borders);
  }, () => {}); // a map without outlines is still a map
  towns.show();
  map.on("moveend", () => towns.show());
  const repaint = () => {
    for (const { id, paint } of builtIn(tiles).layers) {
      for (const [property, value] of Object.entries(paint ?? {})) map.setPaintProperty(id, property, value);
    }
  };
  dark.addEventListener("change", repaint);
  map.once("remove", () => dark.removeEventListener("change", repaint));
}

// Note says on the map what is wrong with it.
class Note {
  element = h("p", { class: "maplibregl-ctrl note small", role: "status", hidden: true });
  onAdd() { return this.element; }
  onRemove() { this.element.remove(); }
  say(text) {
    this.element.textContent = text;
    this.element.hidden = false;
  }
}
