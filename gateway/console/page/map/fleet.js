// The drivers on the map, and lines from rides to them. Where everybody is between two
// reports is worked out on the graphics card: a frame costs the same for ten drivers and
// for ten thousand.

import { maplibre, calm } from "./base.js";

export const driverStates = ["available", "reserved", "busy"];

const tooFar = 1500; // metres: whoever was farther away has not driven here
const fastest = 60; // metres a second
const standing = -9; // for a turn: nobody knows where they look
const numbers = 8; // of a driver: from x, y, to x, y, start, duration, state, heading
const lineNumbers = 9; // of a corner: driver's six, ride x, y, corner

const motion = `
  uniform float now;
  vec2 between(vec4 path, vec2 time) {
    return mix(path.xy, path.zw, time.y > 0.0 ? clamp((now - time.x) / time.y, 0.0, 1.0) : 1.0);
  }`;

const dots = {
  vertex: `#version 300 es
  uniform mat4 matrix; uniform float size; uniform float shown[3];
  in vec4 path; in vec2 time; in float state; in float heading;
  out float kind; out float turn;
  ${motion}
  void main() {
    kind = state; turn = heading;
    gl_Position = matrix * vec4(between(path, time), 0.0, 1.0);
    gl_PointSize = shown[int(state)] > 0.0 ? size : 0.0;
  }`,
  fragment: `#version 300 es
  precision mediump float;
  uniform vec3 colours[3]; uniform vec3 edge;
  in float kind; in float turn; out vec4 colour;
  void main() {
    vec2 p = gl_PointCoord * 2.0 - 1.0;
    float away = length(p) - 0.56; // from the edge of a disc
    if (turn >= -4.0) { // with a nose that looks ahead
      float c = cos(turn), s = sin(turn);
      vec2 q = vec2(c * p.x + s * p.y, c * p.y - s * p.x);
      if (q.y < -0.2) away = min(away, (abs(q.x) - (q.y + 0.97) * 0.68) / 1.21);
    }
    float alpha = 1.0 - smoothstep(-0.05, 0.03, away);
    if (alpha <= 0.0) discard;
    vec3 fill = mix(colours[int(kind + 0.5)], edge, smoothstep(-0.2, -0.13, away));
    colour = vec4(fill * alpha, alpha);
  }`,
};

const lines = {
  vertex: `#version 300 es
  uniform mat4 matrix; uniform vec2 screen;
  in vec4 path; in vec2 time; in vec2 ride; in float corner;
  ${motion}
  void main() {
    vec4 a = matrix * vec4(between(path, time), 0.0, 1.0), b = matrix * vec4(ride, 0.0, 1.0);
    vec2 along = (b.xy / b.w - a.xy / a.w) * screen;
    vec2 across = length(along) > 0.0 ? normalize(vec2(-along.y, along.x)) : vec2(0.0);
    vec4 p = corner < 2.0 ? a : b;
    p.xy += across * (mod(corner, 2.0) * 2.0 - 1.0) * 1.25 / screen * p.w * 2.0;
    gl_Position = p;
  }`,
  fragment: `#version 300 es
  precision mediump float;
  uniform vec3 edge; out vec4 colour;
  void main() { colour = vec4(edge * 0.8, 0.8); }`,
};

function program(gl, { vertex, fragment }) {
  const p = gl.createProgram();
  for (const [type, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
    const shader = gl.createShader(type);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(p, shader);
  }
  gl.linkProgram(p);
  if (!gl.getProgramParameter(p, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(p));
  return p;
}

const rgb = (name) => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  canvas.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  canvas.fillRect(0, 0, 1, 1);
  return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].map((v) => v / 255);
};

// Fleet is a layer of its own for MapLibre.
export class Fleet {
  id = "geogate drivers"; // a style of the operator has names of its own
  type = "custom";
  renderingMode = "2d";
  drivers = new Map(); // by id
  links = []; // [id of a driver, lng, lat]
  shown = { available: true, reserved: true, busy: true };
  matches = () => true; // whether the filter lets a driver be seen
  frames = 0;

  constructor() {
    this.began = performance.now();
    this.origin = [0.5, 0.5];
  }

  seconds() { return (performance.now() - this.began) / 1000; }

  // set takes a driver as geogate shows them.
  set(d) {
    const { x, y } = maplibre.MercatorCoordinate.fromLngLat([d.lng, d.lat]);
    const now = this.seconds();
    const known = this.drivers.get(d.id);
    let next = { ...d, x, y, fromX: x, fromY: y, start: now, duration: 0, turn: standing, reported: now };
    if (known) {
      const [nowX, nowY] = this.at(known, now);
      const scale = 40_075_017 * Math.cos((d.lat * Math.PI) / 180); // metres across the map
      const gap = Math.max(0.5, Math.min(12, now - known.reported));
      const way = Math.hypot(x - nowX, y - nowY) * scale;
      const moved = x !== known.x || y !== known.y;
      next.turn = known.turn;
      if (!moved) next = { ...next, fromX: known.fromX, fromY: known.fromY, start: known.start, duration: known.duration, reported: known.reported };
      else if (!calm.matches && way < Math.max(tooFar, gap * fastest)) next = { ...next, fromX: nowX, fromY: nowY, duration: gap };
      if (moved && way > 6) next.turn = Math.atan2(x - nowX, nowY - y);
    }
    if (typeof d.heading === "number") next.turn = (d.heading * Math.PI) / 180;
    this.drivers.set(d.id, next);
    this.changed = true;
  }

  delete(id) { this.changed = this.drivers.delete(id) || this.changed; }

  clear() {
    this.drivers.clear();
    this.changed = true;
  }

  at(d, now) {
    const share = d.duration > 0 ? Math.min(1, Math.max(0, (now - d.start) / d.duration)) : 1;
    return [d.fromX + (d.x - d.fromX) * share, d.fromY + (d.y - d.fromY) * share];
  }

  // position is where a driver is drawn now.
  position(id) {
    const d = this.drivers.get(id);
    return d && new maplibre.MercatorCoordinate(...this.at(d, this.seconds())).toLngLat();
  }

  // near returns the driver who is drawn nearest to a point of the screen, at most so many
  // pixels away.
  near(point, pixels) {
    const now = this.seconds();
    const at = maplibre.MercatorCoordinate.fromLngLat(this.map.unproject(point));
    const scale = 512 * 2 ** this.map.getZoom();
    let best = null, least = pixels;
    for (const d of this.drivers.values()) {
      if (!this.shown[d.state] || !this.matches(d)) continue;
      const [x, y] = this.at(d, now);
      const away = Math.hypot(x - at.x, y - at.y) * scale;
      if (away < least) [best, least] = [d, away];
    }
    return best;
  }

  // refresh takes over what has changed, once for a batch.
  refresh() {
    this.changed = true;
    this.map?.triggerRepaint();
  }

  paint() {
    this.colours = ["--good", "--warn", "--info"].flatMap(rgb);
    this.edge = rgb("--surface");
    this.line = rgb("--info");
  }

  onAdd(map, gl) {
    this.map = map;
    this.dots = program(gl, dots);
    this.lines = program(gl, lines);
    this.buffers = [gl.createBuffer(), gl.createBuffer()];
    this.arrays = [gl.createVertexArray(), gl.createVertexArray()];
    this.describe(gl, 0, this.dots, numbers, { path: [4, 0], time: [2, 4], state: [1, 6], heading: [1, 7] });
    this.describe(gl, 1, this.lines, lineNumbers, { path: [4, 0], time: [2, 4], ride: [2, 6], corner: [1, 8] });
    this.paint();
    this.changed = true;
  }

  describe(gl, i, p, width, attributes) {
    gl.bindVertexArray(this.arrays[i]);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[i]);
    for (const [name, [size, offset]] of Object.entries(attributes)) {
      const at = gl.getAttribLocation(p, name);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, gl.FLOAT, false, width * 4, offset * 4);
    }
    gl.bindVertexArray(null);
  }

  // upload sends everybody's path to the graphics card, relative to the middle of the map:
  // its numbers are too coarse for places on a whole world.
  upload(gl) {
    const { x, y } = maplibre.MercatorCoordinate.fromLngLat(this.map.getCenter());
    this.origin = [x, y];
    this.until = 0;
    const data = new Float32Array(this.drivers.size * numbers);
    this.count = 0;
    for (const d of this.drivers.values()) {
      if (!this.matches(d)) continue;
      data.set([d.fromX - x, d.fromY - y, d.x - x, d.y - y, d.start, d.duration, Math.max(0, driverStates.indexOf(d.state)), d.turn], this.count++ * numbers);
      this.until = Math.max(this.until, d.start + d.duration);
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[0]);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
    const corners = [];
    for (const [id, lng, lat] of this.links) {
      const d = this.drivers.get(id);
      if (!d) continue;
      const ride = maplibre.MercatorCoordinate.fromLngLat([lng, lat]);
      for (const corner of [0, 1, 2, 2, 1, 3]) {
        corners.push(d.fromX - x, d.fromY - y, d.x - x, d.y - y, d.start, d.duration, ride.x - x, ride.y - y, corner);
      }
    }
    this.corners = corners.length / lineNumbers;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[1]);
    gl.bufferData(gl.ARRAY_BUFFER, new Float32Array(corners), gl.DYNAMIC_DRAW);
    this.zoomed = this.map.getZoom();
    this.changed = false;
  }

  render(gl, { defaultProjectionData }) {
    this.frames++;
    const centre = maplibre.MercatorCoordinate.fromLngLat(this.map.getCenter());
    const strayed = Math.hypot(centre.x - this.origin[0], centre.y - this.origin[1]) * 2 ** this.map.getZoom();
    if (this.changed || strayed > 4) this.upload(gl);
    const matrix = shifted(defaultProjectionData.mainMatrix, this.origin);
    const now = this.seconds();
    const set = (p, name) => gl.getUniformLocation(p, name);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.STENCIL_TEST);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (this.corners > 0) {
      gl.useProgram(this.lines);
      gl.uniformMatrix4fv(set(this.lines, "matrix"), false, matrix);
      gl.uniform1f(set(this.lines, "now"), now);
      gl.uniform2f(set(this.lines, "screen"), gl.drawingBufferWidth, gl.drawingBufferHeight);
      gl.uniform3fv(set(this.lines, "edge"), this.line);
      gl.bindVertexArray(this.arrays[1]);
      gl.drawArrays(gl.TRIANGLES, 0, this.corners);
    }
    if (this.count > 0) {
      gl.useProgram(this.dots);
      gl.uniformMatrix4fv(set(this.dots, "matrix"), false, matrix);
      gl.uniform1f(set(this.dots, "now"), now);
      const zoom = Math.max(9, Math.min(15, this.map.getZoom()));
      gl.uniform1f(set(this.dots, "size"), (13 + (zoom - 9) * 3) * devicePixelRatio);
      gl.uniform1fv(set(this.dots, "shown"), driverStates.map((s) => (this.shown[s] ? 1 : 0)));
      gl.uniform3fv(set(this.dots, "colours"), this.colours);
      gl.uniform3fv(set(this.dots, "edge"), this.edge);
      gl.bindVertexArray(this.arrays[0]);
      gl.drawArrays(gl.POINTS, 0, this.count);
    }
    gl.bindVertexArray(null);
    if (now < this.until) this.map.triggerRepaint();
  }
}

// shifted is a matrix that takes places relative to an origin. It is worked out in full
// precision.
function shifted(m, [x, y]) {
  const out = Float64Array.from(m);
  for (let row = 0; row < 4; row++) out[12 + row] = m[row] * x + m[4 + row] * y + m[12 + row];
  return Float32Array.from(out);
}
