// The names of towns, which geogate has built in.

import { get } from "../lib/api.js";

const deepest = 10; // the last zoom that geogate has names for

// Towns are the names around what the map shows.
export class Towns {
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
