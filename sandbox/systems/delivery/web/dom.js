// Elements, fields and messages: what every page is made of.

export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "dataset") Object.assign(made.dataset, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

export function field(label, input, hint = "") {
  const hinted = hint ? [element("p", { class: "hint", id: `${input.id}-hint` }, hint)] : [];
  if (hint) input.setAttribute("aria-describedby", `${input.id}-hint`);
  return element("div", { class: "field" }, element("label", { for: input.id }, label), ...hinted, input);
}

export function input(id, type, properties = {}) {
  return element("input", { id, name: id, type, required: true, ...properties });
}

export const alerted = (text) => element("p", { role: "alert" }, text);

// A form whose errors are shown above its fields; a second press while it is sent does nothing.
export function form(properties, children, submitted) {
  const messages = element("div");
  const made = element("form", properties, messages, ...children);
  made.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(made, messages, submitted);
  });
  return made;
}

export async function attempt(busy, messages, action) {
  if (busy.ariaBusy === "true") return;
  busy.ariaBusy = "true";
  messages.replaceChildren();
  try {
    await action();
  } catch (error) {
    if (!error.sentence) throw error;
    messages.replaceChildren(alerted(error.sentence));
  } finally {
    busy.ariaBusy = "false";
  }
}

// What was done is announced, and the keyboard goes on from there.
export function done(place, sentence, ...more) {
  const status = element("p", { role: "status", tabindex: "-1" });
  place.replaceChildren(status, ...more);
  status.textContent = sentence;
  status.focus();
}

const WHEN = new Intl.DateTimeFormat("en-GB", {
  weekday: "long", day: "numeric", month: "long", hour: "2-digit", minute: "2-digit",
});
const DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });

export const when = (date) => WHEN.format(new Date(date));
export const dayName = (date) => DAY.format(date);
export const isoDay = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((part) => String(part).padStart(2, "0")).join("-");

export function daysFromNow(days) {
  const day = new Date();
  day.setDate(day.getDate() + days);
  return day;
}
