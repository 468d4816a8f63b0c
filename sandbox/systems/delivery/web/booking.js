// Booking, with the form of old or with the new one, as the feature flag says.

import { call } from "./api.js";
import { newForm } from "./booking_new.js";
import { daysFromNow, done, element, field, form, input, isoDay } from "./dom.js";

export const TIMES = ["09:00", "10:00", "11:00", "14:00", "15:00", "16:00"];

// A tester's own choice, `/?new_appointment_ui=true#/book`, goes before the flag.
async function wantsNew() {
  const chosen = new URLSearchParams(location.search).get("new_appointment_ui");
  if (chosen) return chosen === "true";
  return (await call("GET", "/v1/features")).newAppointmentUi;
}

async function book(place, providerId, day, time) {
  const refused = { 409: "This time has passed. Choose another one.", 404: "This provider gives no appointments." };
  const date = new Date(`${day}T${time}`).toISOString();
  const { id } = await call("POST", "/v1/appointments", { providerId, date }, refused);
  done(place, "Appointment booked",
    element("p", { class: "row" },
      element("a", { class: "button", href: `#/pay/${id}` }, "Pay now"),
      element("a", { href: `#/video/${id}` }, "Video lobby"),
      element("a", { href: "#/dashboard" }, "Your appointments")));
}

function select(id, options) {
  const offered = options.map(([value, text]) => element("option", { value }, text));
  return element("select", { id, name: id, required: true }, element("option", { value: "" }, "Choose"), ...offered);
}

function oldForm(providers, booked) {
  const provider = select("provider", providers.map(({ id, name, specialty }) => [id, `${name}, ${specialty}`]));
  const date = input("date", "date", { min: isoDay(daysFromNow(1)) });
  const time = select("time", TIMES.map((each) => [each, each]));
  const fields = [
    field("Provider", provider),
    field("Date", date, "From tomorrow on."),
    field("Time", time),
    element("button", {}, "Book"),
  ];
  return [form({ class: "narrow" }, fields, () => booked(provider.value, date.value, time.value))];
}

export async function booking(_, main) {
  const [isNew, { providers }] = await Promise.all([wantsNew(), call("GET", "/v1/providers")]);
  main.dataset.ui = isNew ? "new" : "old";
  const place = element("div");
  const booked = (...chosen) => book(place, ...chosen);
  place.append(...(isNew ? newForm(providers, booked, TIMES) : oldForm(providers, booked)));
  return [place];
}
