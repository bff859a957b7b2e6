// The page for bulk geocoding: it shows how geogate reads a file, uploads it,
// follows the job and plots the points. The server decides what a file means;
// this page never guesses.

const previewBytes = 64 * 1024; // as much as the server looks at
const mostPoints = 5000; // most points in the plot
const find = (id) => document.getElementById(id);

let file = null;
let columns = [];
let watching = null; // the EventSource of the job on the page

function show(problem) {
  find("problem").hidden = !problem;
  find("problem").textContent = problem || "";
}

// explain turns an error response into words for people.
async function explain(response) {
  try {
    const p = await response.json();
    return p.hint ? `${p.detail} – ${p.hint}` : p.detail;
  } catch {
    return `The server answered ${response.status}.`;
  }
}

function typeOf(file) {
  return /\.(ndjson|jsonl)$/i.test(file.name) ? "application/x-ndjson" : "text/csv";
}

// options returns the parameters of the form. It sends columns by number, because
// a name may contain a comma.
function options({ withColumns }) {
  const o = new URLSearchParams({ mode: find("mode").value });
  if (typeOf(file) === "text/csv" && columns.length) o.set("header", find("header").checked ? "1" : "0");
  if (find("language").value) o.set("language", find("language").value);
  if (find("countries").value) o.set("countrycodes", find("countries").value);
  const asked = [...document.querySelectorAll("#preview input:checked")].map((box) => box.value);
  if (withColumns && asked.length) o.set("columns", asked.join(","));
  return o;
}

async function preview() {
  show();
  const parameters = options({ withColumns: false });
  parameters.set("preview", "1");
  const response = await fetch(`/v2/jobs?${parameters}`, {
    method: "POST",
    headers: { "Content-Type": typeOf(file) },
    body: file.slice(0, previewBytes),
  });
  if (!response.ok) {
    show(await explain(response));
    find("mapping").hidden = columns.length === 0;
    return;
  }
  const p = await response.json();
  columns = p.columns;
  find("header").checked = p.header;
  find("header").disabled = p.format !== "csv";
  const separators = { ",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", "": "nothing: one cell per line" };
  find("understood").textContent = p.format === "csv" ? `CSV separated by ${separators[p.separator || ""]}.` : "NDJSON.";
  const head = document.createElement("tr");
  columns.forEach((name, i) => {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.value = String(i + 1);
    box.checked = p.asked.includes(name);
    box.addEventListener("change", mark);
    const label = document.createElement("label");
    label.append(box, " ", name);
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.append(label);
    head.append(cell);
  });
  find("preview").tHead.replaceChildren(head);
  find("preview").tBodies[0].replaceChildren(
    ...p.rows.map((row) => {
      const line = document.createElement("tr");
      line.append(...row.map((text) => {
        const cell = document.createElement("td");
        cell.textContent = text;
        return cell;
      }));
      return line;
    }),
  );
  mark();
  find("mapping").hidden = false;
}

// mark highlights the columns that form the question.
function mark() {
  const boxes = [...document.querySelectorAll("#preview input")];
  for (const row of find("preview").rows) {
    [...row.cells].forEach((cell, i) => cell.classList.toggle("asked", boxes[i]?.checked));
  }
}

function upload() {
  show();
  find("start").disabled = true;
  const request = new XMLHttpRequest(); // fetch does not report upload progress
  request.open("POST", `/v2/jobs?${options({ withColumns: true })}`);
  request.setRequestHeader("Content-Type", typeOf(file));
  request.upload.addEventListener("progress", (e) => {
    find("job").hidden = false;
    find("state").textContent = "uploading";
    find("bar").value = e.total ? e.loaded / e.total : 0;
  });
  request.addEventListener("error", () => failed("The upload was interrupted."));
  request.addEventListener("load", () => {
    if (request.status !== 202) {
      explain(new Response(request.responseText, { status: request.status })).then(failed);
      return;
    }
    location.hash = JSON.parse(request.responseText).job_id;
  });
  request.send(file);
  function failed(problem) {
    find("job").hidden = true;
    find("start").disabled = false;
    show(problem);
  }
}

function follow(id) {
  watching?.close();
  show();
  find("choose").hidden = true;
  find("result").hidden = true;
  find("job").hidden = false;
  watching = new EventSource(`/v2/jobs/${id}/events`);
  for (const state of ["queued", "running", "finished", "failed", "cancelled"]) {
    watching.addEventListener(state, (e) => showJob(id, JSON.parse(e.data)));
  }
  watching.addEventListener("error", () => {
    if (watching.readyState !== EventSource.CLOSED) return; // the browser reconnects by itself
    show("There is no such job. It may have been deleted.");
    reset();
  });
}

const number = new Intl.NumberFormat();

function showJob(id, job) {
  find("state").textContent = job.state;
  find("bar").max = job.rows;
  find("bar").value = job.done;
  const counts = ["found", "empty", "invalid", "failed"].filter((name) => job[name] > 0);
  find("counts").textContent = `${number.format(job.done)} of ${number.format(job.rows)} rows` +
    counts.map((name) => `, ${number.format(job[name])} ${name}`).join("") +
    (job.cache_hits ? ` (${number.format(job.cache_hits)} without an upstream call)` : "");
  find("eta").textContent = job.eta ? `Done at about ${new Date(job.eta).toLocaleTimeString()}.` : job.error || "";
  if (job.state === "finished" || job.state === "failed" || job.state === "cancelled") watching.close();
  if (job.state === "finished") showResult(id);
  if (job.state === "cancelled") reset();
}

function showResult(id) {
  const forms = [
    ["CSV", "format=csv"], ["CSV, safe to open in a spreadsheet", "format=csv&safe=1"],
    ["NDJSON", "format=ndjson"], ["GeoJSON", "format=geojson"],
  ];
  find("downloads").replaceChildren(...forms.map(([name, query]) => {
    const link = document.createElement("a");
    link.href = `/v2/jobs/${id}/result?${query}`;
    link.textContent = name;
    link.download = "";
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
  find("result").hidden = false;
  find("delete").textContent = "Delete";
  points(id).then(plot, () => show("The page could not read the points."));
}

// points reads only as much of the result as the plot needs.
async function points(id) {
  const response = await fetch(`/v2/jobs/${id}/result?format=ndjson`);
  if (!response.ok) throw new Error(response.status);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const found = [];
  let rest = "";
  while (found.length < mostPoints) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      const row = JSON.parse(line);
      if (row.outcome === "found") found.push(row);
    }
  }
  await reader.cancel();
  return found.slice(0, mostPoints);
}

const svg = (name, attributes, text) => {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text) element.textContent = text;
  return element;
};

// plot draws the points in degrees, with grid lines. It narrows the longitudes by
// the cosine of the middle latitude.
function plot(rows) {
  const lats = rows.map((r) => r.lat), lons = rows.map((r) => r.lon);
  const span = (values) => [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), -Infinity)];
  let [south, north] = rows.length ? span(lats) : [-90, 90];
  let [west, east] = rows.length ? span(lons) : [-180, 180];
  const [width, height, margin] = [720, 360, 24];
  const narrow = Math.max(0.1, Math.cos(((south + north) / 2) * Math.PI / 180));
  const degrees = Math.max((north - south) || 0.01, ((east - west) * narrow * (height - 2 * margin)) / (width - 2 * margin) || 0.01);
  const scale = (height - 2 * margin) / degrees;
  const x = (lon) => width / 2 + (lon - (west + east) / 2) * narrow * scale;
  const y = (lat) => height / 2 - (lat - (south + north) / 2) * scale;
  const step = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30].find((s) => s * scale > 40) || 30;
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  const drawing = [find("plotted")];
  drawing[0].textContent = `Map of ${number.format(rows.length)} rows`;
  const [halfLat, halfLon] = [height / 2 / scale, width / 2 / scale / narrow];
  const [midLat, midLon] = [(south + north) / 2, (west + east) / 2];
  for (let lat = Math.ceil((midLat - halfLat) / step) * step; lat <= Math.min(90, midLat + halfLat); lat += step) {
    drawing.push(svg("line", { x1: 0, x2: width, y1: y(lat), y2: y(lat) }), svg("text", { x: 2, y: y(lat) - 2 }, lat.toFixed(digits)));
  }
  for (let lon = Math.ceil((midLon - halfLon) / step) * step; lon <= Math.min(180, midLon + halfLon); lon += step) {
    drawing.push(svg("line", { x1: x(lon), x2: x(lon), y1: 0, y2: height }), svg("text", { x: x(lon) + 2, y: height - 3 }, lon.toFixed(digits)));
  }
  for (const row of rows) {
    const dot = svg("circle", { cx: x(row.lon).toFixed(1), cy: y(row.lat).toFixed(1), r: rows.length > 500 ? 1.5 : 3 });
    dot.append(svg("title", {}, row.display_name));
    drawing.push(dot);
  }
  find("plot").replaceChildren(...drawing);
}

function reset() {
  watching?.close();
  history.replaceState(null, "", location.pathname);
  for (const id of ["job", "result"]) find(id).hidden = true;
  find("choose").hidden = false;
  find("start").disabled = false;
  find("delete").textContent = "Stop and delete";
}

function jobOfPage() {
  const id = location.hash.slice(1);
  if (/^[0-9a-f]{32}$/.test(id)) follow(id);
}

find("file").addEventListener("change", () => {
  [file] = find("file").files;
  columns = [];
  find("mapping").hidden = true;
  if (file) preview().catch(() => show("The page could not read the file."));
});
find("mode").addEventListener("change", () => file && preview());
find("header").addEventListener("change", () => file && preview());
find("choose").addEventListener("submit", (e) => {
  e.preventDefault();
  if (file) upload();
});
find("delete").addEventListener("click", async () => {
  const response = await fetch(`/v2/jobs/${location.hash.slice(1)}`, { method: "DELETE" });
  if (response.ok || response.status === 404) reset();
  else show(await explain(response));
});
window.addEventListener("hashchange", jobOfPage);
jobOfPage();
