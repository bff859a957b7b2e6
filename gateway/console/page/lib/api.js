// How the console talks to geogate: the same requests as every other client.

const kept = "geogate.credential"; // for this tab, and gone with it

export const credential = {
  get: () => sessionStorage.getItem(kept) || "",
  set(value) {
    if (value) sessionStorage.setItem(kept, value);
    else sessionStorage.removeItem(kept);
  },
};

// Problem is an answer that says what is wrong.
export class Problem extends Error {
  constructor(status, body) {
    super(body.hint ? `${body.detail} – ${body.hint}` : body.detail || `geogate answered ${status}.`);
    Object.assign(this, { status, code: body.code, state: body.state, body });
  }
}

export async function problemOf(response) {
  try {
    return new Problem(response.status, await response.json());
  } catch (error) {
    return error instanceof Problem ? error : new Problem(response.status, {});
  }
}

// send sends a request and returns the response, whatever it is.
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const token = credential.get();
  if (token) headers = { ...headers, Authorization: `Bearer ${token}` };
  if (body !== undefined && !(body instanceof Blob) && typeof body !== "string") {
    body = JSON.stringify(body);
    headers = { ...headers, "Content-Type": "application/json" };
  }
  try {
    // "no-store" also asks the cache of geogate for a new answer, by Cache-Control: no-cache.
    return await fetch(path, { method, body, headers, signal, cache: method === "GET" ? "no-store" : "default", credentials: "omit" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "geogate cannot be reached." });
  }
}

// call returns what an endpoint answers, null for nothing.
export async function call(method, path, options) {
  const response = await send(method, path, options);
  if (!response.ok) throw await problemOf(response);
  return response.status === 204 ? null : response.json();
}

// upload sends a file, and tells which share of it has gone: fetch does not.
export function upload(path, file, { type, progress, signal }) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.responseType = "json";
    request.setRequestHeader("Content-Type", type);
    if (credential.get()) request.setRequestHeader("Authorization", `Bearer ${credential.get()}`);
    request.upload.addEventListener("progress", (e) => progress(e.total ? e.loaded / e.total : 0));
    request.addEventListener("error", () => reject(new Problem(0, { detail: "The upload was interrupted." })));
    request.addEventListener("load", () => {
      if (request.status < 300) resolve(request.response);
      else reject(new Problem(request.status, request.response ?? {}));
    });
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// download saves what is at a path under a name. A link cannot send the credential.
export async function download(path, name) {
  const response = await send("GET", path);
  if (!response.ok) throw await problemOf(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // when the browser has begun
}

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { ...options, body });
export const put = (path, body) => call("PUT", path, { body });
export const remove = (path) => call("DELETE", path);

// follow reads a stream of server-sent events until stop is called, and comes again when
// it ends. EventSource would put the credential into the address. A page that nobody sees
// has no stream: a browser has six connections to a host for all of its tabs.
export function follow(path, { event, opened, lost }) {
  let ended = false, last = "", connection = new AbortController();
  const leave = () => connection.abort();
  const hidden = () => { if (document.hidden) leave(); };
  document.addEventListener("visibilitychange", hidden);
  window.addEventListener("pagehide", leave);
  (async () => {
    while (!ended) {
      await visible();
      connection = new AbortController();
      try {
        const headers = { Accept: "text/event-stream", ...(last && { "Last-Event-ID": last }) };
        const response = await send("GET", path, { headers, signal: connection.signal });
        if (response.status === 204) return;
        if (!response.ok) throw await problemOf(response);
        opened?.();
        await read(response.body, (name, data, id) => {
          if (id) last = id;
          if (!ended) event(name, data, id);
        });
      } catch (error) {
        if (ended) return;
        if (!connection.signal.aborted) lost?.(error);
        if (error.status >= 400 && error.status < 500 && error.status !== 429) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
    }
  })();
  return () => {
    ended = true;
    document.removeEventListener("visibilitychange", hidden);
    window.removeEventListener("pagehide", leave);
    leave();
  };
}

// visible waits until somebody can see the page.
function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", function seen() {
      if (document.hidden) return;
      document.removeEventListener("visibilitychange", seen);
      resolve();
    });
  });
}

async function read(body, event) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message", data = "", id = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("id: ")) id = line.slice(4);
      }
      if (data) event(name, JSON.parse(data), id);
    }
  }
}
