const second = 1_000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

/** A length of time in its two largest units: `820 ms`, `1.42 s`, `3 min 4 s`, `2 d 5 h`. */
export function duration(ms: number): string {
  const rounded = Math.max(0, Math.round(ms));
  if (rounded < second) return `${rounded} ms`;
  if (rounded < 10 * second) return `${(rounded / second).toFixed(2)} s`;
  if (rounded < minute) return `${(rounded / second).toFixed(1)} s`;
  if (rounded < hour) return two(rounded, minute, "min", second, "s");
  if (rounded < day) return two(rounded, hour, "h", minute, "min");
  return two(rounded, day, "d", hour, "h");
}

function two(ms: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((ms % large) / small);
  return `${Math.floor(ms / large)} ${largeUnit}${rest === 0 ? "" : ` ${rest} ${smallUnit}`}`;
}

/** How long ago, in one unit. */
export function age(ms: number): string {
  if (ms < 5 * second) return "now";
  if (ms < minute) return `${Math.floor(ms / second)} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < day) return `${Math.floor(ms / hour)} h`;
  return `${Math.floor(ms / day)} d`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dateFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** The local time of day, with milliseconds. */
export function clock(iso: string): string {
  const time = Date.parse(iso);
  if (Number.isNaN(time)) return iso;
  return `${clockFormat.format(time)}.${String(new Date(time).getMilliseconds()).padStart(3, "0")}`;
}

/** The local date and time. */
export function dateTime(iso: string): string {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? iso : dateFormat.format(time);
}

/** A long id without its middle: both ends help to tell ids apart. */
export function shortId(id: string, length = 28): string {
  if (id.length <= length) return id;
  const tail = Math.floor((length - 1) * 0.4);
  return `${id.slice(0, length - 1 - tail)}…${id.slice(-tail)}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}
