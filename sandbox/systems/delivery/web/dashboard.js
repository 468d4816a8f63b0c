// The patient's appointments, and the way out.

import { signOut } from "./account.js";
import { call } from "./api.js";
import { attempt, element, when } from "./dom.js";

function listed({ id, providerName, date, status }) {
  const about = (text) => element("span", { class: "unseen" }, text);
  return element(
    "li",
    { class: "card" },
    element("p", {}, element("strong", {}, providerName)),
    element("p", {}, when(date)),
    element("p", { class: "hint" }, status.replace("_", " ")),
    element("p", { class: "row" },
      element("a", { href: `#/pay/${id}` }, "Pay", about(` for ${when(date)}`)),
      element("a", { href: `#/video/${id}` }, "Join", about(` on ${when(date)}`))),
  );
}

export async function dashboard() {
  const { appointments } = await call("GET", "/v1/me/appointments");
  const list = element("ul", { class: "appointments", "aria-label": "Appointments" }, ...appointments.map(listed));
  const messages = element("div");
  const out = element("button", { type: "button", class: "second" }, "Sign out");
  out.addEventListener("click", () => attempt(out, messages, signOut));
  const actions = element("div", { class: "row between" },
    element("a", { class: "button", href: "#/book" }, "Book an appointment"), out);
  return [messages, actions, appointments.length ? list : element("p", { class: "card" }, "You have no appointments yet.")];
}
