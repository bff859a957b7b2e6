// What the types let through, and what they refuse. Nothing of it runs.
import { Geogate, type Problem } from "../src/index.js";

export async function compiles(geogate: Geogate): Promise<void> {
  const found = await geogate.get("/api", { query: { q: "Vaduz" } });
  const cached: boolean = found.cache;
  const ride = await geogate.requestRide({ lat: -33.44262, lng: -70.63054, tags: ["child_seat"] });
  const id: string = ride.request_id;
  const now = await geogate.get("/v2/requests/{id}", { path: { id }, query: { wait: "20s" } });
  const driver: string | undefined = now.driver?.id;
  await geogate.delete("/v2/drivers/{id}", { path: { id: "7" } });
  await geogate.get("/version");
  for await (const event of geogate.followRide(id)) console.log(event.data);

  // @ts-expect-error no such path
  await geogate.get("/v2/nowhere");
  // @ts-expect-error the path needs its parameter
  await geogate.get("/v2/requests/{id}");
  // @ts-expect-error no such method
  await geogate.put("/v2/requests/{id}", { path: { id } });
  // @ts-expect-error a ride has no such field
  await geogate.requestRide({ lat: 1, lng: 2, colour: "red" });
  // @ts-expect-error a state that there is not
  now.state === "gone";
  void cached, driver, undefined as Problem | undefined;
}
