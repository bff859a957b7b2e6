// The client beside a server that fails on purpose.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";

import { Geogate, GeogateError } from "geogate-client";

/** Serves the answers one after the other, and the last of them for ever, and returns a client and what was asked. */
async function serve(t, answers, settings = {}) {
  const asked = [];
  const server = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    const { method, url, headers } = request;
    asked.push({ method, url, headers, body });
    await answers[Math.min(asked.length, answers.length) - 1](response);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { geogate: new Geogate({ baseUrl: `http://127.0.0.1:${server.address().port}/`, ...settings }), asked };
}

const json = (status, value, headers = {}) => (response) => {
  response.writeHead(status, { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...headers });
  response.end(JSON.stringify(value));
};
const problem = (status, code, headers) => json(status, { status, code, title: code, type: "about:blank" }, headers);
const cutOff = (response) => response.socket.destroy();
const events = (text, end) => (response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" });
  response.write(text);
  end?.(response);
};

test("a ride is requested again with the same key until an answer comes", async (t) => {
  const ride = { request_id: "default.a", state: "searching" };
  const { geogate, asked } = await serve(t, [cutOff, problem(503, "redis_unavailable", { "Retry-After": "0" }), json(200, ride)]);
  assert.deepEqual(await geogate.requestRide({ lat: 1, lng: 2 }), ride);
  assert.equal(asked.length, 3);
  assert.equal(new Set(asked.map((a) => a.headers["idempotency-key"])).size, 1);
  assert.match(asked[0].headers["idempotency-key"], /^[0-9a-f-]{36}$/);
  assert.deepEqual(asked.map((a) => a.body), Array(3).fill('{"lat":1,"lng":2}'));
});

test("Retry-After is how long it waits", async (t) => {
  const { geogate, asked } = await serve(t, [problem(429, "rate_limited", { "Retry-After": "1" }), json(200, { version: "v1" })]);
  const began = performance.now();
  await geogate.get("/version");
  assert.ok(performance.now() - began >= 990, "it came back too soon");
  assert.equal(asked.length, 2);
});

test("a POST that nobody called repeatable is repeated after a 429 only", async (t) => {
  const lost = await serve(t, [cutOff]);
  await assert.rejects(lost.geogate.post("/events", { body: { type: "news.flash", data: {} } }));
  assert.equal(lost.asked.length, 1);
  const away = await serve(t, [problem(503, "redis_unavailable", { "Retry-After": "0" })]);
  await assert.rejects(away.geogate.post("/events", { body: { type: "news.flash", data: {} } }), { code: "redis_unavailable" });
  assert.equal(away.asked.length, 1);
  const limited = await serve(t, [problem(429, "rate_limited", { "Retry-After": "0" }), json(200, {})]);
  await limited.geogate.post("/events", { body: { type: "news.flash", data: {} } });
  assert.equal(limited.asked.length, 2);
});

test("what does not pass is thrown at once, with the problem", async (t) => {
  const { geogate, asked } = await serve(t, [problem(404, "not_found")]);
  await assert.rejects(geogate.get("/v2/requests/{id}", { path: { id: "a b/c" } }), (err) => {
    assert.ok(err instanceof GeogateError);
    assert.deepEqual([err.status, err.code, err.problem.title], [404, "not_found", "not_found"]);
    return true;
  });
  assert.deepEqual(asked.map((a) => a.url), ["/v2/requests/a%20b%2Fc"]);
});

test("it gives up after so many attempts, and when it is told to", async (t) => {
  const { geogate, asked } = await serve(t, [problem(503, "starting", { "Retry-After": "0" })], { retries: 1 });
  await assert.rejects(geogate.get("/version"), { status: 503 });
  assert.equal(asked.length, 2);
  const slow = await serve(t, [problem(503, "starting", { "Retry-After": "3600" })]);
  const stop = new AbortController();
  const answer = slow.geogate.get("/version", { signal: stop.signal });
  stop.abort();
  await assert.rejects(answer, { name: "AbortError" });
});

test("a token is asked for anew for each attempt", async (t) => {
  let n = 0;
  const { geogate, asked } = await serve(t, [cutOff, json(200, {})], { token: async () => `t${++n}` });
  await geogate.get("/version");
  assert.deepEqual(asked.map((a) => a.headers.authorization), ["Bearer t1", "Bearer t2"]);
});

test("a stream goes on behind the last event, whatever ends its connection", async (t) => {
  const one = "retry: 10\n\nid: 1\nevent: searching\ndata: {\"version\":1}\n\n";
  const { geogate, asked } = await serve(t, [
    events(`${one}id: 2\nevent: matched\ndata: half an ev`, (r) => setImmediate(() => r.socket.end())),
    problem(503, "starting", { "Retry-After": "0" }),
    events("id: 2\r\nevent: matched\r\ndata: a\r\ndata: b\r\n\r\nevent: position\ndata: {}\n\n: silence\n\nid: 3\nevent: completed\ndata: {}\n\n"),
  ]);
  const got = [];
  for await (const { id, event, data } of geogate.followRide("default.a")) got.push([id, event, data]);
  assert.deepEqual(got, [["1", "searching", '{"version":1}'], ["2", "matched", "a\nb"], ["2", "position", "{}"], ["3", "completed", "{}"]]);
  assert.deepEqual(asked.map((a) => a.headers["last-event-id"]), [undefined, "1", "1"]);
});

test("an event may come in any pieces", async (t) => {
  const text = "id: 7\r\nevent: grüß\r\ndata: é\rdata: x\n\n";
  const bytes = new TextEncoder().encode(text);
  const { geogate } = await serve(t, [
    async (response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      for (const byte of bytes) await new Promise((sent) => response.write(Uint8Array.of(byte), sent));
    },
  ]);
  const stop = new AbortController();
  for await (const event of geogate.stream("/events?types=*", { signal: stop.signal })) {
    assert.deepEqual(event, { id: "7", event: "grüß", data: "é\nx" });
    stop.abort();
  }
});

test("a stream that is over, forbidden or silent", async (t) => {
  const over = await serve(t, [(response) => response.writeHead(204).end()]);
  for await (const event of over.geogate.followRide("default.a")) assert.fail(event);
  const forbidden = await serve(t, [problem(403, "insufficient_scope")]);
  await assert.rejects(forbidden.geogate.stream("/events").next(), { code: "insufficient_scope" });
  const silent = await serve(t, [events("retry: 1\n\n"), events("data: 1\n\n")]);
  const first = await silent.geogate.stream("/events", { silence: 500 }).next();
  assert.equal(first.value.data, "1");
  assert.ok(silent.asked.length >= 2);
});
