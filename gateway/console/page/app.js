// The shell of the console: who is here, what they may see, which view is open.

import { credential, get } from "./lib/api.js";
import { h, toast } from "./lib/dom.js";

// views in the order of the bar. A view is loaded when it is opened; needs is the scope
// without which it is not shown.
const views = [
  { path: "map", title: "Map", needs: "dispatch" },
  { path: "try", title: "Try", needs: "geocode" },
  { path: "cache", title: "Cache", needs: "admin" },
  { path: "rides", title: "Rides", needs: "dispatch" },
  { path: "jobs", title: "Jobs", needs: "bulk" },
  { path: "events", title: "Events", needs: "events" },
  { path: "keys", title: "Keys", needs: "admin" },
  { path: "fleet", title: "Fleet", needs: "admin" },
];

const main = document.getElementById("main");
let session = null;
let close = () => {};
let opening = 0;

const may = (scope) => session.scopes.includes(scope);

async function start() {
  close();
  close = () => {};
  try {
    session = await get("/console/session");
  } catch (error) {
    if (error.status === 401 && credential.get()) {
      credential.set("");
      toast(error.message);
      return start();
    }
    main.replaceChildren(h("div", { class: "page" }, h("p", { class: "problem", role: "alert" }, error.message)));
    return;
  }
  const open = views.filter((v) => may(v.needs));
  const closed = views.some((v) => v.path === wanted()[0] && !may(v.needs));
  document.getElementById("nav").replaceChildren(...open.map((v) => h("a", { href: `#/${v.path}` }, v.title)));
  showSession();
  if (session.kind === "anonymous" && (open.length === 0 || closed)) login();
  if (open.length > 0 || session.kind !== "anonymous") await route();
}

// wanted is the view that the address names, and what it says about it.
const wanted = () => location.hash.replace(/^#\/?/, "").split("?")[0].split("/");

function showSession() {
  const who = { local: "this machine", admin: "admin", anonymous: "" }[session.kind] ?? session.subject;
  document.getElementById("session").replaceChildren(
    h("a", { href: "/docs" }, "API"),
    h("span", { title: `Version ${session.version}` }, who),
    ...(credential.get()
      ? [h("button", { onclick: () => { credential.set(""); start(); } }, "Log out")]
      : session.kind === "anonymous" ? [h("button", { onclick: login }, "Log in")] : []),
  );
}

function login() {
  const field = h("input", { type: "password", id: "key", autocomplete: "off", required: true, placeholder: "gg_… or ADMIN_TOKEN" });
  const failed = h("div");
  const dialog = h("dialog", { "aria-labelledby": "login-title" },
    h("form", {
      onsubmit: async (e) => {
        e.preventDefault();
        credential.set(field.value.trim());
        try {
          await get("/console/session");
          dialog.close();
          await start();
        } catch (error) {
          credential.set("");
          failed.replaceChildren(h("p", { class: "problem", role: "alert" }, error.message));
        }
      },
    },
    h("h2", { id: "login-title" }, "Log in"),
    h("label", { class: "field" }, "Key or ADMIN_TOKEN", field),
    h("p", { class: "quiet small" }, "It stays in this tab and is sent in the Authorization header only. ",
      h("code", {}, "geogate keys create --role operator --subject me"), " makes a key."),
    failed,
    h("div", { class: "row" }, h("button", { class: "primary" }, "Log in"), h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function route() {
  const open = views.filter((v) => may(v.needs));
  const [path, ...rest] = wanted();
  const view = open.find((v) => v.path === path) || open[0];
  const turn = ++opening;
  close();
  close = () => {};
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.getAttribute("href") === `#/${view?.path}`) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    } else link.removeAttribute("aria-current");
  }
  if (!view) {
    main.replaceChildren(h("div", { class: "page" }, h("p", {}, "There is nothing here that this credential may see.")));
    return;
  }
  document.title = `${view.title} – geogate`;
  main.replaceChildren();
  const { mount } = await import(`./views/${view.path}.js`);
  if (turn !== opening) return; // another view was faster
  close = mount(main, { session, may, rest }) || (() => {});
}

// What was once a page of its own at /jobs#id leads here.
if (location.search === "?jobs" && !location.hash.startsWith("#/")) {
  history.replaceState(null, "", `${location.pathname}#/jobs/${location.hash.slice(1)}`);
}
window.addEventListener("hashchange", () => {
  if (session && location.hash.startsWith("#/")) route();
});
start();
