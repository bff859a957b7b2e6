import { GeogateError, problemOf } from "./errors.js";
import { pause, retryAfter } from "./retry.js";

/** One event of a stream. data is JSON, except where the description says otherwise. */
export interface StreamEvent {
  /** The id of the last event that had one: where to go on from. */
  id: string;
  event: string;
  data: string;
}

export interface StreamOptions {
  signal?: AbortSignal;
  /** Go on behind this event. */
  lastEventId?: string;
  /** How long a stream may be silent, in milliseconds, before it counts as lost; 40 s. geogate says something every 15 s. */
  silence?: number;
}

type Connect = (headers: Headers, signal: AbortSignal) => Promise<Response>;

/** Yields the events of a stream. It ends when there will be none any more or signal says so, and throws what cannot pass. */
export async function* follow(connect: Connect, longestPause: number, options: StreamOptions): AsyncGenerator<StreamEvent, void, undefined> {
  const outside = options.signal;
  let last = options.lastEventId ?? "";
  let hint = 1000;
  for (let failures = 0; !outside?.aborted; ) {
    const connection = new AbortController();
    const end = () => connection.abort(outside?.reason);
    outside?.addEventListener("abort", end, { once: true });
    let wait = hint;
    try {
      const answer = await within(options.silence ?? 40_000, connection, connect(headersAfter(last), connection.signal));
      if (answer.status === 204) return;
      if (!answer.ok) {
        const passes = answer.status === 429 || answer.status >= 500;
        if (!passes) throw new GeogateError(answer.status, await problemOf(answer));
        wait = retryAfter(answer, failures++);
      } else {
        failures = 0;
        for await (const part of parse(answer, options.silence ?? 40_000, connection)) {
          if (typeof part === "number") {
            wait = hint = part;
            continue;
          }
          if (part.id !== "") last = part.id;
          yield { ...part, id: last };
        }
      }
    } catch (lost) {
      if (outside?.aborted) return;
      if (lost instanceof GeogateError) throw lost;
      wait = Math.max(hint, retryAfter(undefined, failures++));
    } finally {
      outside?.removeEventListener("abort", end);
      connection.abort();
    }
    try {
      await pause(Math.min(wait, longestPause), outside);
    } catch {
      return; // the caller has ended it
    }
  }
}

function headersAfter(last: string): Headers {
  const headers = new Headers({ Accept: "text/event-stream" });
  if (last !== "") headers.set("Last-Event-ID", last);
  return headers;
}

/** Gives up a connection on which nothing comes for so long. */
async function within<T>(milliseconds: number, connection: AbortController, work: Promise<T>): Promise<T> {
  const timer = setTimeout(() => connection.abort(new Error("the stream is silent")), milliseconds);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads server-sent events (HTML standard, 9.2.6), and the pauses that the server asks for. */
async function* parse(answer: Response, silence: number, connection: AbortController): AsyncGenerator<StreamEvent | number, void, undefined> {
  if (!answer.body) return;
  const reader = answer.body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let rest = "";
  let event = { id: "", event: "message", data: [] as string[] };
  for (;;) {
    const { value, done } = await within(silence, connection, reader.read());
    if (done) return; // what is not whole is not an event
    rest += value;
    // A carriage return at the end may be half of a line break.
    const lines = (rest.endsWith("\r") ? rest.slice(0, -1) : rest).split(/\r\n|\r|\n/);
    rest = lines.pop() + (rest.endsWith("\r") ? "\r" : "");
    for (const line of lines) {
      if (line === "") {
        if (event.data.length > 0) yield { id: event.id, event: event.event, data: event.data.join("\n") };
        event = { id: "", event: "message", data: [] };
        continue;
      }
      const colon = line.indexOf(":");
      const name = colon < 0 ? line : line.slice(0, colon);
      const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "id") event.id = text;
      else if (name === "event") event.event = text;
      else if (name === "data") event.data.push(text);
      else if (name === "retry" && /^\d+$/.test(text)) yield Number(text);
    }
  }
}
