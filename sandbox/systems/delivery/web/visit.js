// What follows a booking: the payment and the video call.

import { call } from "./api.js";
import { attempt, done, element, when } from "./dom.js";

const PRICE = { amountCents: 4500, currency: "EUR" };
const UNKNOWN = { 404: "There is no such appointment." };

async function visit(id, lines, label, act) {
  const { date } = await call("GET", `/v1/appointments/${id}`, undefined, UNKNOWN);
  const messages = element("div");
  const button = element("button", { type: "button" }, label);
  const place = element("div", { class: "card" },
    messages,
    element("dl", {}, ...[["Appointment", when(date)], ...lines].flatMap(([term, value]) =>
      [element("dt", {}, term), element("dd", {}, value)])),
    button);
  button.addEventListener("click", () => attempt(button, messages, () => act(place)));
  return [place];
}

const next = (...links) => element("p", { class: "row" }, ...links, element("a", { href: "#/dashboard" }, "Your appointments"));

export function payment(id) {
  return visit(id, [["Price", "EUR 45.00"]], "Pay", async (place) => {
    const refused = { ...UNKNOWN, 402: "Your card was declined. Choose another way to pay." };
    await call("POST", "/v1/payments", { appointmentId: id, ...PRICE, mode: "test" }, refused);
    done(place, "Payment received", next(element("a", { href: `#/video/${id}` }, "Video lobby")));
  });
}

export function video(id) {
  return visit(id, [], "Join the call", async (place) => {
    const refused = { ...UNKNOWN, 409: "No call can begin now. Try again in a few minutes." };
    const { joinUrl } = await call("POST", "/v1/video/calls", { appointmentId: id }, refused);
    const opened = joinUrl ? [element("a", { class: "button", href: joinUrl, rel: "noreferrer" }, "Open the call")] : [];
    done(place, "The call is ready", next(...opened));
  });
}
