// The countries that geogate has built in, out of TopoJSON: lines that are shared stand
// in it once, as differences from point to point.

import { get } from "../lib/api.js";

let loaded = null;

// world returns the land and the borders on it as GeoJSON.
export function world() {
  loaded ??= get("/console/outlines.json").then(decode);
  return loaded;
}

function decode({ arcs, transform, objects }) {
  const [sx, sy] = transform.scale;
  const [tx, ty] = transform.translate;
  const lines = arcs.map((arc) => {
    let x = 0, y = 0;
    return arc.map(([dx, dy]) => [(x += dx) * sx + tx, (y += dy) * sy + ty]);
  });
  const ring = (indexes) => unwound(indexes.flatMap((i, n) => {
    const line = i < 0 ? lines[~i].toReversed() : lines[i];
    return n === 0 ? line : line.slice(1); // they meet in a point
  }));
  const polygons = (g) => (g.type === "Polygon" ? [g.arcs] : g.arcs);
  const used = new Map(); // how many countries an arc belongs to
  for (const country of objects.countries.geometries) {
    for (const i of polygons(country).flat(2)) {
      const arc = i < 0 ? ~i : i;
      used.set(arc, (used.get(arc) || 0) + 1);
    }
  }
  return {
    land: { type: "MultiPolygon", coordinates: objects.land.geometries.flatMap(polygons).map((p) => p.map(ring)) },
    borders: { type: "MultiLineString", coordinates: [...used].filter(([, times]) => times > 1).map(([arc]) => lines[arc]) },
  };
}

// unwound lets a ring that crosses the date line go on beyond it, instead of back around
// the world. One that goes around a pole is closed by way of it.
function unwound(ring) {
  let turns = 0;
  const out = ring.map(([x, y], i) => {
    const step = i === 0 ? 0 : x - ring[i - 1][0];
    if (step > 180) turns -= 360;
    else if (step < -180) turns += 360;
    return [x + turns, y];
  });
  if (turns !== 0) {
    const pole = out[0][1] < 0 ? -90 : 90;
    out.push([out.at(-1)[0], pole], [out[0][0], pole], out[0]);
  }
  return out;
}
