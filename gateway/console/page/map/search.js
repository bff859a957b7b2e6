// The search box of the map: names are completed while they are typed, and what has no
// suggestion is asked for as an address.

import "/console/suggest.js";
import { credential, post } from "../lib/api.js";
import { h } from "../lib/dom.js";

// searchBox calls found with the place that was chosen.
export function searchBox(found) {
  const field = h("geogate-suggest", { label: "Find a place", placeholder: "Find a place", limit: 6, class: "grow" });
  field.token = credential.get();
  const said = h("p", { class: "small quiet", role: "status" });
  const show = ({ display_name, lat, lon }) => {
    said.textContent = display_name;
    found({ lat: +lat, lng: +lon });
  };
  field.addEventListener("geogate-select", (e) => show(e.detail));
  field.addEventListener("geogate-error", (e) => { said.textContent = e.detail.detail || e.detail.title; });
  return h("form", {
    class: "stack",
    async onsubmit(e) {
      e.preventDefault();
      if (field.place || !field.value.trim()) return;
      try {
        const { data } = await post("/api", { q: field.value.trim() });
        if (data.length) show(data[0]);
        else said.textContent = "Nothing found.";
      } catch (error) {
        said.textContent = error.message;
      }
    },
  }, h("div", { class: "row" }, field, h("button", {}, "Find")), said);
}
