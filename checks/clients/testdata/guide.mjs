// A ride of the guide for apps, by both of its sides, with a live geogate: by waiting for
// changes and, where there is EventSource, by a stream as well.
export async function roundTrip({ Town, Refused, stream }, base, name) {
  const town = new Town(base);
  const driver = `driver of ${name}`;
  const at = { lat: 47.14 + name.length / 100, lng: 9.52 };
  const next = { matched: "arrive", arrived: "start", started: "complete" };
  const wrong = (what, got) => {
    throw new Error(`${what}: ${JSON.stringify(got)}`);
  };

  // Each step follows the sight of the one before.
  const act = async (ride, states) => {
    states.push(ride.state);
    if (ride.state === "offered") {
      const offer = await town.nextOffer(driver);
      if (offer.request_id !== ride.request_id) wrong("another ride's offer", offer);
      await town.answer(offer.offer_id, driver, "accept");
    } else if (ride.state in next) {
      await town.report(driver, { ...at, ts: Date.now(), heading: 90, speed: 8 });
      await town.step(ride.request_id, driver, next[ride.state]);
    }
  };
  const request = async (key) => {
    await town.report(driver, { ...at, ts: Date.now() });
    const ride = await town.requestRide(key, { ...at, rider_id: name, note: "at the corner" });
    const again = await town.requestRide(key, { ...at, rider_id: name, note: "at the corner" });
    if (again.request_id !== ride.request_id) wrong("the same ride for the same key", again);
    return ride.request_id;
  };

  const id = await request(`${name} waits`);
  await town.report(driver, { ...at, ts: Date.now() - 10_000 }); // comes too late, which is no error
  const states = [];
  for await (const ride of town.follow(id)) await act(ride, states);
  const late = await town.cancel(id, "changed_mind").catch((err) => err);
  if (!(late instanceof Refused) || late.problem.code !== "too_late" || late.problem.state !== "completed") wrong("cancelled after its end", late);
  if (globalThis.EventSource === undefined) return states.join();

  const streamed = [];
  let moves = 0;
  // Drives until the rider sees the car: the stream tells of it once a second, and of
  // nothing more behind the end of the ride.
  const seen = async () => {
    for (let i = 0; moves === 0 && i < 300; i++) {
      await town.report(driver, { ...at, ts: Date.now(), heading: 90, speed: 8 });
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  await request(`${name} streams`).then((id) => new Promise((resolve, reject) => {
    let work = Promise.resolve();
    stream(`${base}/v2/requests/${id}/events`, (ride) => {
      work = work.then(async () => {
        if (ride.state === "matched") await seen();
        await act(ride, streamed);
      }).catch(reject);
      if (ride.state === "completed") work.then(resolve);
    }, (car) => (moves += car.eta ? 1 : 0), () => reject(new Error("the stream was refused")));
  }));
  if (moves === 0) wrong("positions of the car", moves);
  return `${states.join()} ${streamed.join()}`;
}
