// The search box of the map.

import { post } from "../lib/api.js";
import { h } from "../lib/dom.js";

// searchBox asks geogate for an address and calls found with a place.
export function searchBox(found) {
  const field = h("input", { type: "search", placeholder: "Find a place", "aria-label": "Find a place", autocomplete: "off" });
  const said = h("p", { class: "small quiet", role: "status" });
  return h("form", {
    class: "stack",
    onsubmit: async (e) => {
      e.preventDefault();
      if (!field.value.trim()) return;
      try {
        const { data } = await post("/api", { q: field.value.trim() });
        said.textContent = data.length ? data[0].display_name : "Nothing found.";
        if (data.length) found({ lat: +data[0].lat, lng: +data[0].lon });
      } catch (error) {
        said.textContent = error.message;
      }
    },
  }, h("div", { class: "row" }, h("div", { class: "grow stack" }, field), h("button", {}, "Find")), said);
}
