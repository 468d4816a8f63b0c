// Booking with a provider whose number the patient knows.

import { call } from "./api.js";
import { daysFromNow, done, element, field, form, input, isoDay } from "./dom.js";

export async function booking(_, main) {
  main.dataset.ui = "old";
  const provider = input("provider", "text");
  const date = input("date", "date", { min: isoDay(daysFromNow(1)) });
  const time = input("time", "time");
  const fields = [
    field("Provider", provider, "The number on your card."),
    field("Date", date, "From tomorrow on."),
    field("Time", time),
    element("button", {}, "Book"),
  ];
  const place = element("div");
  const book = async () => {
    const refused = { 404: "There is no such provider.", 422: "This time has passed. Choose another one." };
    const at = new Date(`${date.value}T${time.value}`).toISOString();
    const { id } = await call("POST", "/v1/appointments", { providerId: provider.value, date: at }, refused);
    done(place, "Appointment booked",
      element("p", { class: "row" },
        element("a", { class: "button", href: `#/pay/${id}` }, "Pay now"),
        element("a", { href: `#/video/${id}` }, "Video lobby")));
  };
  place.append(form({ class: "narrow" }, fields, book));
  return [place];
}
