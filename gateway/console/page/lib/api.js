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
    Object.assign(this, { status, code: body.code, state: body.state });
  }
}

async function problemOf(response) {
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
    return await fetch(path, { method, body, headers, signal, cache: "no-store", credentials: "omit" });
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

export const get = (path, options) => call("GET", path, options);
export const post = (path, body, options) => call("POST", path, { ...options, body });
export const remove = (path) => call("DELETE", path);

// follow reads a stream of server-sent events until stop is called, and comes again when
// it ends. EventSource would put the credential into the address.
export function follow(path, { event, opened, lost }) {
  const ending = new AbortController();
  (async () => {
    while (!ending.signal.aborted) {
      try {
        const response = await send("GET", path, { headers: { Accept: "text/event-stream" }, signal: ending.signal });
        if (response.status === 204) return;
        if (!response.ok) throw await problemOf(response);
        opened?.();
        await read(response.body, event);
      } catch (error) {
        if (ending.signal.aborted) return;
        lost?.(error);
        if (error.status >= 400 && error.status < 500 && error.status !== 429) return;
      }
      await new Promise((resolve) => setTimeout(resolve, 1000 + Math.random() * 1000));
    }
  })();
  return () => ending.abort();
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
