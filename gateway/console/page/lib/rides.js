// What an operator may do with a ride, in its order.

import { post } from "./api.js";
import { h, confirm, toast } from "./dom.js";

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
