import { GeogateError, isJSON, problemOf } from "./errors.js";
import { pause, retryAfter } from "./retry.js";
import { follow, type StreamEvent, type StreamOptions } from "./stream.js";
import type { Answer, CommonOptions, Method, Options, OptionsIfNeeded, Path } from "./types.js";

export interface Settings {
  /** Where geogate is, such as https://geo.example.org. */
  baseUrl: string;
  /** A key or token, or what returns one: it is called for each attempt, so it may renew what has expired. */
  token?: string | (() => string | Promise<string>);
  /** How often a request is repeated after a failure that may pass; 4. Streams come back for ever. */
  retries?: number;
  /** The longest pause between two attempts in milliseconds, whatever Retry-After says; 60 s. */
  longestPause?: number;
  /** In place of the global fetch. */
  fetch?: typeof fetch;
}

/** Options whose types have been checked. */
type AnyOptions = CommonOptions & { path?: Record<string, unknown>; query?: Record<string, unknown>; body?: unknown };

type RideRequest = Options<"/v2/search", "post">["body"];

/** A client of one geogate. It keeps no connection and no state of its own. */
export class Geogate {
  private readonly retries: number;
  private readonly longestPause: number;
  private readonly fetch: typeof fetch;

  constructor(private readonly settings: Settings) {
    this.retries = settings.retries ?? 4;
    this.longestPause = settings.longestPause ?? 60_000;
    this.fetch = settings.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Sends a request and returns its answer. Throws GeogateError for an answer that is not a success. So do the others. */
  get<P extends Path<"get">>(path: P, ...[options]: OptionsIfNeeded<P, "get">): Promise<Answer<P, "get">> {
    return this.request("get", path, options ?? {});
  }

  put<P extends Path<"put">>(path: P, ...[options]: OptionsIfNeeded<P, "put">): Promise<Answer<P, "put">> {
    return this.request("put", path, options ?? {});
  }

  post<P extends Path<"post">>(path: P, ...[options]: OptionsIfNeeded<P, "post">): Promise<Answer<P, "post">> {
    return this.request("post", path, options ?? {});
  }

  delete<P extends Path<"delete">>(path: P, ...[options]: OptionsIfNeeded<P, "delete">): Promise<Answer<P, "delete">> {
    return this.request("delete", path, options ?? {});
  }

  /** Requests a ride, once however often it has to be sent. Pass the same key to repeat it after a restart of the app. */
  requestRide(ride: RideRequest, key: string = crypto.randomUUID(), signal?: AbortSignal): Promise<Answer<"/v2/search", "post">> {
    return this.post("/v2/search", { body: ride, idempotencyKey: key, ...(signal && { signal }) });
  }

  /** Follows a ride until it has ended. It outlives lost connections, restarts of geogate and phones that were asleep. */
  async *followRide(id: string, options: StreamOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    for await (const event of this.stream(`/v2/requests/${encodeURIComponent(id)}/events`, options)) {
      yield event;
      if (ended.has(event.event)) return;
    }
  }

  /** Follows any of geogate's event streams: a path with its query. */
  stream(target: string, options: StreamOptions = {}): AsyncGenerator<StreamEvent, void, undefined> {
    return follow((headers, signal) => this.send("GET", target, headers, undefined, signal), this.longestPause, options);
  }

  private async request<P extends Path<M>, M extends Method>(method: M, path: P, options: AnyOptions): Promise<Answer<P, M>> {
    const { path: inPath = {}, query = {}, body, signal, headers: more, idempotencyKey, repeatable } = options;
    const headers = new Headers(more);
    if (idempotencyKey !== undefined) headers.set("Idempotency-Key", idempotencyKey);
    if (body !== undefined) headers.set("Content-Type", "application/json");
    const target = resolve(path, inPath, query);
    const safe = method !== "post" || repeatable === true || idempotencyKey !== undefined;
    const text = body === undefined ? undefined : JSON.stringify(body);
    for (let attempt = 0; ; attempt++) {
      let answer: Response | undefined;
      try {
        answer = await this.send(method.toUpperCase(), target, headers, text, signal);
        if (answer.ok) return (await read(answer)) as Answer<P, M>;
      } catch (lost) {
        // The answer did not come, or not whole: nobody knows what became of the request.
        if (signal?.aborted || !safe || attempt >= this.retries) throw lost;
        answer = undefined;
      }
      const again = answer === undefined || answer.status === 429 || (safe && passing.has(answer.status));
      if (answer && (!again || attempt >= this.retries)) throw new GeogateError(answer.status, await problemOf(answer));
      await answer?.body?.cancel();
      await pause(Math.min(retryAfter(answer, attempt), this.longestPause), signal);
    }
  }

  private async send(method: string, target: string, headers: Headers, body: string | undefined, signal: AbortSignal | undefined): Promise<Response> {
    const { token, baseUrl } = this.settings;
    const all = new Headers(headers);
    if (token !== undefined) all.set("Authorization", `Bearer ${typeof token === "function" ? await token() : token}`);
    return this.fetch(baseUrl.replace(/\/+$/, "") + target, { method, headers: all, ...(body !== undefined && { body }), ...(signal && { signal }) });
  }
}

/** The states in which a ride has ended. */
const ended = new Set(["completed", "cancelled", "expired"]);

/** The answers after which the same request may succeed. 429 is one of them for every method: nothing has happened yet. */
const passing = new Set([429, 502, 503, 504]);

function resolve(path: string, inPath: Record<string, unknown>, query: Record<string, unknown>): string {
  const target = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    if (inPath[name] === undefined) throw new TypeError(`${path} needs ${name}`);
    return encodeURIComponent(String(inPath[name]));
  });
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) search.set(name, String(value));
  }
  return search.toString() === "" ? target : `${target}?${search}`;
}

async function read(answer: Response): Promise<unknown> {
  if (answer.status === 204) return undefined;
  return isJSON(answer) ? answer.json() : answer.text();
}
