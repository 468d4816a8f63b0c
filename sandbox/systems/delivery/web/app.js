// The way from an address to a page: `#/login` and so on, one heading each.

import { login, register } from "./account.js";
import { EXPIRED, session } from "./api.js";
import { booking } from "./booking.js";
import { dashboard } from "./dashboard.js";
import { alerted, element } from "./dom.js";
import { payment, video } from "./visit.js";

const OPEN = [
  [/^#\/register$/, "Create your account", register],
  [/^#\/login$/, "Sign in", login],
];
const SIGNED_IN = [
  [/^#\/dashboard$/, "Your appointments", dashboard],
  [/^#\/book$/, "Book an appointment", booking],
  [/^#\/pay\/([\w-]+)$/, "Pay for your appointment", payment],
  [/^#\/video\/([\w-]+)$/, "Video lobby", video],
];
const NOT_FOUND = ["Page not found", async () => [element("a", { href: "#/dashboard" }, "Your appointments")]];

const main = document.getElementById("main");
let shown = 0;
let hasExpired = false;

async function show({ moved }) {
  const turn = ++shown;
  delete document.body.dataset.ready;
  delete main.dataset.ui;
  const [title, load, parameter] = route();
  const heading = element("h1", { tabindex: "-1" }, title);
  const loading = element("p", { role: "status", class: "loading" }, "Loading…");
  main.replaceChildren(heading, loading);
  document.title = `${title} – Unified Health`;
  if (moved) heading.focus();
  const content = await loaded(load, parameter);
  if (turn !== shown) return;
  loading.replaceWith(...content);
  document.body.dataset.ready = "true";
}

async function loaded(load, parameter) {
  try {
    return await load(parameter, main);
  } catch (error) {
    if (!error.sentence) throw error;
    return [alerted(error.sentence), element("button", { type: "button", onclick: () => show({ moved: true }) }, "Try again")];
  }
}

function route() {
  const address = location.hash || "#/dashboard";
  const pages = [...OPEN, ...SIGNED_IN];
  const found = pages.find(([pattern]) => pattern.test(address));
  if (!found) return NOT_FOUND;
  if (SIGNED_IN.includes(found) && !session.token) return signIn();
  const [pattern, title, load] = found;
  return [title, load, address.match(pattern)[1]];
}

function signIn() {
  const note = hasExpired ? [alerted(EXPIRED)] : [];
  hasExpired = false;
  history.replaceState(null, "", "#/login");
  return ["Sign in", async () => [...note, ...(await login())]];
}

addEventListener("session-expired", () => {
  hasExpired = true;
  show({ moved: true });
});
addEventListener("hashchange", () => show({ moved: true }));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault(); // an address after # is a page here
  main.focus();
});
document.documentElement.dataset.version = "%VERSION%";
show({ moved: false });
