// What became of a ride, and what an operator may do with it.

import { follow, post } from "./api.js";
import { h, clock, confirm, metres, state, toast } from "./dom.js";

// timeline follows a ride from its beginning until stop is called. changed is called with
// the ride after each step.
export function timeline(id, changed = () => {}) {
  const element = h("ol", { class: "steps" });
  const seen = new Set();
  const stop = follow(`/v2/requests/${encodeURIComponent(id)}/events?last_event_id=0`, {
    event(name, ride, event) {
      if (!ride.request_id || seen.has(event)) return;
      seen.add(event);
      const what = [ride.reason?.replaceAll("_", " "), ride.driver && `driver ${ride.driver.id}, ${metres(ride.driver.distance_m)} away`].filter(Boolean).join(", ");
      element.append(h("li", {}, h("div", { class: "row" }, state(ride.state), h("span", { class: "quiet small" }, clock(ride.updated_at))), what && h("p", { class: "small quiet" }, what)));
      changed(ride);
    },
    lost: (error) => error.message && toast(error.message),
  });
  return { element, stop };
}

// steps are what may be done, in the order of a ride.
const steps = [
  {
    title: "Cancel", states: ["searching", "offered", "matched", "arrived"], danger: true,
    question: "Cancel this ride? Rider and driver are told.", action: "Cancel the ride", path: "cancel", body: () => ({ reason: "operator" }),
  },
  {
    title: "Release", states: ["matched", "arrived"],
    question: "Take the driver off this ride? It searches for another one.", action: "Release the driver", path: "release",
    body: (ride) => ({ driver_id: ride.driver.id, reason: "operator" }),
  },
  {
    title: "Complete", states: ["matched", "arrived", "started"],
    question: "Complete this ride? Its driver is free then.", action: "Complete the ride", path: "complete", body: (ride) => ({ driver_id: ride.driver.id }),
  },
];

// rideActions returns a button for each step that the ride allows.
export const rideActions = (ride) => steps.filter((s) => s.states.includes(ride.state)).map((s) => h("button", {
  class: s.danger && "danger",
  async onclick() {
    if (!(await confirm(s.question, s.action))) return;
    try {
      const after = await post(`/v2/requests/${encodeURIComponent(ride.request_id)}/${s.path}`, s.body(ride));
      toast(`The ride is ${after.state}.`);
    } catch (error) {
      toast(error.message);
    }
  },
}, s.title));
