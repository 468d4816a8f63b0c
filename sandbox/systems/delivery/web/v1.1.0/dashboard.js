// Where a signed-in patient begins.

import { session } from "./api.js";
import { element } from "./dom.js";

export async function dashboard() {
  const out = element("button", { type: "button", class: "second" }, "Sign out");
  out.addEventListener("click", () => {
    session.end();
    location.hash = "#/login";
  });
  return [element("div", { class: "row between" },
    element("a", { class: "button", href: "#/book" }, "Book an appointment"), out)];
}
