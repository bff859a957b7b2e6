// The operator's file of tiles, which geogate serves piece by piece, and how it is drawn.

import { credential } from "../lib/api.js";

const address = new URL("/console/tiles.pmtiles", location.href).href;

let protocol = null;

// readArchives lets maps read archives of tiles ("pmtiles://…").
export async function readArchives(maplibre) {
  if (!protocol) {
    const { Protocol } = await library();
    protocol = new Protocol();
    maplibre.addProtocol("pmtiles", protocol.tile);
  }
  const { PMTiles, FetchSource } = await library();
  const token = credential.get();
  protocol.add(new PMTiles(new FetchSource(address, new Headers(token ? { Authorization: `Bearer ${token}` } : {}))));
}

let loading = null;

// library loads npm's file, which is no module: it declares one name in the window.
function library() {
  loading ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL("../vendor/pmtiles.js", import.meta.url).href;
    script.onload = () => resolve(window.pmtiles);
    script.onerror = () => { loading = null; reject(new Error("the reader of tiles was not loaded")); };
    document.head.append(script);
  });
  return loading;
}

export const archiveSource = ({ vector, minzoom, maxzoom, bounds, attribution }) => ({
  type: vector ? "vector" : "raster", tiles: [`pmtiles://${address}/{z}/{x}/{y}`], minzoom, maxzoom, bounds,
  ...(!vector && { tileSize: 256 }), ...(attribution && { attribution }),
});

// What layers are called in the schemes that are common: Protomaps, OpenMapTiles, Shortbread.
const layers = {
  land: ["earth"],
  green: ["landcover", "landuse", "park", "land"],
  water: ["water", "ocean", "water_polygons"],
  buildings: ["buildings", "building"],
  streets: ["roads", "transportation", "streets"],
  names: ["roads", "transportation_name", "street_labels"],
};

// archiveLayers are the layers of a map for an archive, from below.
export function archiveLayers({ vector, layers: there = [] }, p) {
  if (!vector) return [{ id: "tiles", type: "raster", source: "tiles" }];
  const each = (kind, make) => there.filter((id) => layers[kind].includes(id)).map((id) => ({ source: "tiles", "source-layer": id, ...make(id) }));
  const areas = (kind, colour) => each(kind, (id) => ({ id: `${kind} ${id}`, type: "fill", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": colour } }));
  const ways = (kind, colour, wider) => each("streets", (id) => ({
    id: `${kind} ${id}`, type: "line", filter: ["==", ["geometry-type"], "LineString"], layout: { "line-cap": "round", "line-join": "round" },
    paint: { "line-color": colour, "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 8, 0.4 + wider / 4, 14, 2 + wider, 18, 14 + wider] },
  }));
  const known = [
    ...areas("land", p.land), ...areas("green", p.green), ...areas("water", p.sea), ...areas("buildings", p.building),
    ...ways("kerbs", p.kerb, 1.5), ...ways("streets", p.street, 0),
    ...each("names", (id) => ({
      id: `names ${id}`, type: "symbol", minzoom: 13,
      layout: { "symbol-placement": "line", "text-field": ["get", "name"], "text-font": ["sans-serif"], "text-size": 11 },
      paint: { "text-color": p.text, "text-halo-color": p.halo, "text-halo-width": 1.2 },
    })),
  ];
  return known.length > 0 ? known : there.map((id) => ({ // of a scheme of its own
    id: `lines ${id}`, type: "line", source: "tiles", "source-layer": id, paint: { "line-color": p.edge, "line-width": 1 },
  }));
}
