// Numbers, moments and names as people read them.

const DAY_MS = 86_400_000;
const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const clock = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const shortDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const longDay = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeZone: "UTC" });
const whole = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const small = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 4 });
const number = new Intl.NumberFormat("en");
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];

/** Dollars; `null` is unknown, and 0 is free. */
export function money(usd) {
  if (usd === null || usd === undefined) return "price unknown";
  if (usd === 0) return "free";
  return `$${exact(usd)}`;
}

/** Dollars of a bill, where 0 is 0. */
export function amount(usd) {
  return usd === null || usd === undefined ? "unknown" : `$${exact(usd)}`;
}

function exact(usd) {
  return (Math.abs(usd) < 1 ? small : whole).format(usd);
}

export function count(total, one, many = `${one}s`) {
  return `${number.format(total)} ${total === 1 ? one : many}`;
}

export function seconds(total) {
  if (total === null || total === undefined) return "";
  if (total < 60) return `${total < 10 ? Math.round(total * 10) / 10 : Math.round(total)} s`;
  const minutes = Math.floor(total / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(total % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function ago(moment) {
  const past = (new Date(moment) - Date.now()) / 1000;
  if (Math.abs(past) < 10) return "just now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(past) >= size);
  return relative.format(Math.round(past / size), unit);
}

export const exactly = (moment) => clock.format(new Date(moment));
export const day = (date) => shortDay.format(new Date(`${date}T00:00:00Z`));
export const wholeDay = (date) => longDay.format(new Date(`${date}T00:00:00Z`));
export const daysBefore = (days) => new Date(Date.now() - days * DAY_MS).toISOString().slice(0, 10);

export function bytes(size) {
  return size < 1e6 ? `${Math.round(size / 1000)} kB` : `${(size / 1e6).toFixed(1)} MB`;
}
