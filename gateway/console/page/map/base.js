// The map that everything is drawn on: outlines and town names that geogate has built in.

import * as maplibre from "../vendor/maplibre-gl.mjs";
import { get } from "../lib/api.js";
import { world } from "./outlines.js";

maplibre.setWorkerUrl(new URL("../vendor/maplibre-gl-worker.mjs", import.meta.url).href);

export { maplibre };

const dark = matchMedia("(prefers-color-scheme: dark)");
export const calm = matchMedia("(prefers-reduced-motion: reduce)");

const palettes = {
  light: { sea: "#d6e4ea", land: "#f6f5f1", edge: "#b9c6cc", border: "#c3b9ab", text: "#3b4650", halo: "#ffffff" },
  dark: { sea: "#0e1a22", land: "#1a232c", edge: "#33424f", border: "#46525e", text: "#b4c0cb", halo: "#131a21" },
};
export const palette = () => palettes[dark.matches ? "dark" : "light"];

const noFeatures = { type: "FeatureCollection", features: [] };

function style(p) {
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
    },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": p.sea } },
      { id: "land", type: "fill", source: "land", paint: { "fill-color": p.land } },
      { id: "coast", type: "line", source: "land", paint: { "line-color": p.edge, "line-width": 1 } },
      { id: "borders", type: "line", source: "borders", paint: { "line-color": p.border, "line-width": 1, "line-dasharray": [3, 2] } },
      name("villages", ["<", ["get", "population"], 20000], 11, 7),
      name("towns", ["all", [">=", ["get", "population"], 20000], ["<", ["get", "population"], 300000]], 12.5),
      name("cities", [">=", ["get", "population"], 300000], 14.5),
    ],
  };
}

// createMap puts a map into an element. It keeps its colours in step with the system's.
// The promise is rejected where the browser cannot draw one.
export async function createMap(container, options) {
  const map = new maplibre.Map({
    container, style: style(palette()), attributionControl: false, dragRotate: false, pitchWithRotate: false,
    maxPitch: 0, fadeDuration: 0, renderWorldCopies: true, ...options,
  });
  map.touchZoomRotate.disableRotation();
  map.addControl(new maplibre.AttributionControl({ compact: false }));
  map.addControl(new maplibre.NavigationControl({ showCompass: false }), "top-right");
  map.addControl(new maplibre.ScaleControl(), "bottom-left");
  await map.once("load");
  const towns = new Towns(map);
  const fill = async () => {
    const { land, borders } = await world();
    map.getSource("land")?.setData(land);
    map.getSource("borders")?.setData(borders);
    towns.show();
  };
  const repaint = () => {
    const p = palette();
    map.setPaintProperty("sea", "background-color", p.sea);
    map.setPaintProperty("land", "fill-color", p.land);
    map.setPaintProperty("coast", "line-color", p.edge);
    map.setPaintProperty("borders", "line-color", p.border);
    for (const id of ["villages", "towns", "cities"]) {
      map.setPaintProperty(id, "text-color", p.text);
      map.setPaintProperty(id, "text-halo-color", p.halo);
    }
  };
  dark.addEventListener("change", repaint);
  map.once("remove", () => dark.removeEventListener("change", repaint));
  map.on("moveend", () => towns.show());
  fill().catch(() => {}); // a map without outlines is still a map
  return map;
}

const deepest = 10; // the last zoom that geogate has names for

// Towns are the names around what the map shows.
class Towns {
  constructor(map) {
    this.map = map;
    this.tiles = new Map(); // by "z/x/y"
    this.shown = "";
  }

  // wanted are the tiles under the map, at a zoom where a screen takes a few of them.
  wanted() {
    const bounds = this.map.getBounds();
    const z = Math.max(0, Math.min(deepest, Math.floor(this.map.getZoom())));
    const size = 2 ** z;
    const column = (lng) => Math.floor(((lng + 180) / 360) * size);
    const row = (lat) => {
      const s = Math.sin((Math.max(-85, Math.min(85, lat)) * Math.PI) / 180);
      return Math.max(0, Math.min(size - 1, Math.floor((0.5 - Math.log((1 + s) / (1 - s)) / (4 * Math.PI)) * size)));
    };
    const ids = new Set();
    for (let x = column(bounds.getWest()); x <= column(bounds.getEast()); x++) {
      for (let y = row(bounds.getNorth()); y <= row(bounds.getSouth()); y++) ids.add(`${z}/${((x % size) + size) % size}/${y}`);
    }
    return [...ids].slice(0, 24);
  }

  async show() {
    const ids = this.wanted();
    const key = ids.join();
    if (key === this.shown) return;
    this.shown = key;
    const tiles = await Promise.all(ids.map((id) => this.tile(id)));
    if (key !== this.shown || !this.map.getSource("towns")) return; // the map has moved on
    this.map.getSource("towns").setData({
      type: "FeatureCollection",
      features: tiles.flat().map(({ name, lat, lng, population }) => ({
        type: "Feature", properties: { name, population }, geometry: { type: "Point", coordinates: [lng, lat] },
      })),
    });
  }

  tile(id) {
    if (this.tiles.size > 500) this.tiles.clear();
    if (!this.tiles.has(id)) {
      this.tiles.set(id, get(`/console/labels/${id}`).then((a) => a.labels, () => {
        this.tiles.delete(id);
        return [];
      }));
    }
    return this.tiles.get(id);
  }
}
