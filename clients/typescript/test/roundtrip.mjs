// One ride from the request to its end, with a live geogate. It runs in Node and in browsers.
export async function roundTrip({ Geogate, GeogateError }, baseUrl, name) {
  const geogate = new Geogate({ baseUrl });
  const wrong = (what, got) => {
    throw new Error(`${what}: ${JSON.stringify(got)}`);
  };

  const found = await geogate.get("/api", { query: { q: "Vaduz" } });
  if (!found.data[0].display_name.includes("Vaduz")) wrong("a place", found);
  const drivers = await geogate.get("/v2/nearby", { query: { lat: 10, lng: 10 } });
  if (!Array.isArray(drivers.drivers)) wrong("drivers nearby", drivers);

  const at = { lat: 47.14 + name.length / 100, lng: 9.52 };
  const key = crypto.randomUUID();
  const ride = await geogate.requestRide(at, key);
  const again = await geogate.requestRide(at, key);
  if (ride.state !== "searching" || again.request_id !== ride.request_id) wrong("the same ride for the same key", again);
  const unknown = await geogate.get("/v2/requests/{id}", { path: { id: "default.nobody" } }).catch((err) => err);
  if (!(unknown instanceof GeogateError) || unknown.status !== 404 || unknown.code !== "not_found") wrong("a ride that is not there", unknown);

  const states = [];
  for await (const event of geogate.followRide(ride.request_id)) {
    if (event.event === "position") continue;
    states.push(event.event);
    const now = JSON.parse(event.data);
    if (now.state !== event.event || now.request_id !== ride.request_id) wrong("an event of the ride", event);
    if (event.event === "searching") {
      const stored = await geogate.post("/tracking", { body: { id: name, ...at }, repeatable: true });
      if (stored.accepted !== 1) wrong("a position", stored);
    } else if (event.event === "matched") {
      await geogate.post("/v2/requests/{id}/complete", { path: { id: ride.request_id }, body: { driver_id: name }, repeatable: true });
    }
  }
  if (states.join() !== "searching,matched,completed") wrong("the states of the ride", states);
  await geogate.delete("/v2/drivers/{id}", { path: { id: name } });
  return states.join();
}
