// The new form: everything in sight, and one question before it is booked.

import { attempt, dayName, daysFromNow, element, form, isoDay } from "./dom.js";

const DAYS = 7;

function radios(name, legend, options, look = "") {
  const offered = options.map(([value, ...text]) =>
    element("label", { class: "choice" },
      element("input", { type: "radio", name, value, required: true }), element("span", {}, ...text)));
  return element("fieldset", { role: "radiogroup", "aria-labelledby": `${name}-legend` },
    element("legend", { id: `${name}-legend` }, legend),
    element("div", { class: `choices ${look}` }, ...offered));
}

function confirmation(lines, book) {
  const messages = element("div");
  const button = (text, look, onclick) => element("button", { type: "button", class: look, onclick }, text);
  const confirm = () => attempt(dialog, messages, async () => {
    await book();
    dialog.remove();
  });
  const dialog = element("dialog", { "aria-labelledby": "confirm-heading" },
    element("h2", { id: "confirm-heading" }, "Confirm your appointment"),
    messages,
    element("dl", {}, ...lines.flatMap(([term, value]) => [element("dt", {}, term), element("dd", {}, value)])),
    element("p", { class: "row" }, button("Confirm", "", confirm), button("Cancel", "second", () => dialog.close())));
  dialog.addEventListener("close", () => dialog.remove());
  return dialog;
}

export function newForm(providers, booked, times) {
  const specialty = (text) => element("small", {}, text);
  const days = Array.from({ length: DAYS }, (_, number) => daysFromNow(number + 1));
  const groups = [
    radios("provider", "Provider", providers.map((each) => [each.id, each.name, specialty(each.specialty)])),
    radios("day", "Day", days.map((day) => [isoDay(day), dayName(day)])),
    radios("time", "Time", times.map((time) => [time, time]), "small"),
    element("button", {}, "Continue"),
  ];
  const made = form({}, groups, async () => {
    const { provider, day, time } = Object.fromEntries(new FormData(made));
    const lines = [
      ["Provider", providers.find(({ id }) => id === provider).name],
      ["Day", dayName(new Date(`${day}T00:00`))],
      ["Time", time],
    ];
    const dialog = confirmation(lines, () => booked(provider, day, time));
    made.after(dialog);
    dialog.showModal();
  });
  return [made];
}
