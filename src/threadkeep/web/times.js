// Times as people say them. The API's times are whole Unix seconds.

const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "narrow" });
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const oldDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });

export function exactTime(seconds) {
  return exact.format(seconds * 1000);
}

export function dayOf(seconds) {
  return longDay.format(seconds * 1000);
}

export function isSameDay(one, other) {
  return new Date(one * 1000).toDateString() === new Date(other * 1000).toDateString();
}

/** How long it is until then. */
export function until(seconds) {
  const left = Math.max(0, seconds - Date.now() / 1000);
  if (left < 90 * 60) return relative.format(Math.ceil(left / 60), "minute");
  if (left < 36 * 3600) return relative.format(Math.round(left / 3600), "hour");
  return relative.format(Math.round(left / 86400), "day");
}

export function ago(seconds) {
  // Clocks differ by a little: nothing here happens in the future.
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  if (passed < 45) return "now";
  if (passed < 3600) return relative.format(-Math.round(passed / 60), "minute");
  if (passed < 24 * 3600) return relative.format(-Math.round(passed / 3600), "hour");
  if (passed < 7 * 24 * 3600) return relative.format(-Math.round(passed / 86400), "day");
  const date = new Date(seconds * 1000);
  return (date.getFullYear() === new Date().getFullYear() ? day : oldDay).format(date);
}
