// What all views need to build a page.

// h makes an element. Properties that begin with "on" are listeners, others attributes;
// false, null and undefined leave one out.
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === false || value == null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

const shapes = "http://www.w3.org/2000/svg";

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(shapes, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

export const state = (name) => h("span", { class: `state ${name}` }, name.replaceAll("_", " "));

const whole = new Intl.NumberFormat("en");
export const number = (n) => whole.format(Math.round(n));

export const metres = (m) => (m < 1000 ? `${Math.round(m)} m` : `${(m / 1000).toFixed(m < 10_000 ? 1 : 0)} km`);

// ago says how long ago a time was.
export function ago(time) {
  const s = Math.max(0, (Date.now() - new Date(time)) / 1000);
  if (s < 2) return "now";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) if (s >= size) return `${Math.floor(s / size)} ${unit} ago`;
  return `${Math.floor(s)} s ago`;
}

export const clock = (time) => new Date(time).toLocaleTimeString("en-GB");

// toast tells something for a moment.
export function toast(text) {
  const line = h("p", {}, text);
  document.getElementById("toast").append(line);
  setTimeout(() => line.remove(), 6000);
}

// problem shows an error in place; null takes it away.
export function problem(place, error) {
  place.replaceChildren(...(error ? [h("p", { class: "problem", role: "alert" }, error.message)] : []));
}

// confirm asks before something that cannot be taken back.
export function confirm(question, action) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "question" },
      h("form", { method: "dialog" },
        h("p", { id: "question" }, question),
        h("div", { class: "row" },
          h("button", { value: "yes", class: "primary" }, action),
          h("button", { value: "no" }, "Keep it"))));
    dialog.addEventListener("close", () => {
      resolve(dialog.returnValue === "yes");
      dialog.remove();
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    toast("Copied.");
  } catch {
    toast("The browser did not let the page copy: select the text instead.");
  }
}
