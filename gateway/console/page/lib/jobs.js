// What the console knows of jobs: which ones this tab has begun, and what is in a result.

import { problemOf, send } from "./api.js";

const kept = "geogate.jobs"; // for this tab: whoever knows an id may have the right to its job
const mostKept = 20;

// begun are the jobs of this tab, the newest first. Each has its id and the name of its file.
export const begun = {
  list: () => JSON.parse(sessionStorage.getItem(kept) || "[]"),
  add(id, name) { this.put([{ id, name }, ...this.list()].slice(0, mostKept)); },
  remove(id) { this.put(this.list().filter((job) => job.id !== id)); },
  name(id) { return this.list().find((job) => job.id === id)?.name; },
  put(list) { sessionStorage.setItem(kept, JSON.stringify(list)); },
};

export const isJob = (id) => /^[0-9a-f]{32}$/.test(id);

const most = { places: 5000, troubles: 500, bytes: 64 << 20 };

// added are the columns that geogate adds to a row.
const added = new Set(["lat", "lon", "display_name", "type", "importance", "outcome", "cache", "provider", "reason", "licence"]);

// readResult reads as much of the result of a job as a page can show: places for a map,
// and the rows that have none.
export async function readResult(job) {
  const wanted = { places: Math.min(job.found, most.places), troubles: Math.min(job.rows - job.found, most.troubles) };
  const places = [], troubles = [];
  const response = await send("GET", `/v2/jobs/${job.job_id}/result?format=ndjson`);
  if (!response.ok) throw await problemOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", read = 0, row = 0;
  while (places.length < wanted.places || troubles.length < wanted.troubles) {
    const { value, done } = await reader.read();
    if (done || (read += value.length) > most.bytes) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      row++;
      const answer = JSON.parse(line);
      if (answer.outcome === "found") {
        if (places.length < wanted.places) places.push({ row, lat: answer.lat, lng: answer.lon, name: answer.display_name });
      } else if (troubles.length < wanted.troubles) {
        const cells = Object.entries(answer).filter(([name, cell]) => !added.has(name) && cell !== null && cell !== "");
        troubles.push({ row, outcome: answer.outcome, reason: answer.reason, text: cells.map(([, cell]) => (typeof cell === "object" ? JSON.stringify(cell) : cell)).join(" · ") });
      }
    }
  }
  await reader.cancel();
  return { places, troubles };
}
