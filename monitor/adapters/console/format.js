// How instants, durations and numbers are written. What is missing is an en dash, never 0.

export const NO_DATA = "–";
const MINUS = "\u2212";
const DAY_MS = 86_400_000;

const clockFormat = { hour: "2-digit", minute: "2-digit", hour12: false };
const localClock = new Intl.DateTimeFormat("en-GB", clockFormat);
const utcClock = new Intl.DateTimeFormat("en-GB", { ...clockFormat, timeZone: "UTC" });
const localSeconds = new Intl.DateTimeFormat("en-GB", { ...clockFormat, second: "2-digit" });
const localDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const utcDay = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", timeZone: "UTC" });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

/** Milliseconds of an ISO-8601 instant; null where there is none. */
export function instant(iso) {
  const ms = typeof iso === "string" ? Date.parse(iso) : NaN;
  return Number.isNaN(ms) ? null : ms;
}

/** Whether local time is UTC at an instant, so that it need not be said twice. */
export function localIsUtc(ms) {
  return new Date(ms).getTimezoneOffset() === 0;
}

/** "14:05", or "14:05:32". */
export function clock(ms, withSeconds = false) {
  return (withSeconds ? localSeconds : localClock).format(ms);
}

export function utcTime(ms) {
  return utcClock.format(ms);
}

export function day(ms) {
  return localDay.format(ms);
}

/**
 * Local time with UTC, with the day unless it is today: "14:05 (13:05 UTC)", "23 Nov 00:30 (22 Nov 23:30 UTC)".
 *
 * @param {number|null} ms
 * @param {number} nowMs
 */
export function moment(ms, nowMs) {
  if (ms === null) return NO_DATA;
  const today = localDay.format(ms) === localDay.format(nowMs) && Math.abs(nowMs - ms) < 2 * DAY_MS;
  const local = today ? clock(ms) : `${day(ms)} ${clock(ms)}`;
  if (localIsUtc(ms)) return `${local} UTC`;
  const sameDay = utcDay.format(ms) === localDay.format(ms);
  return `${local} (${sameDay ? "" : `${utcDay.format(ms)} `}${utcTime(ms)} UTC)`;
}

/** "12 s", "42 min", "3 h 05 min", "2 d 4 h". */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${String(minutes % 60).padStart(2, "0")} min` : `${hours} h`;
  return hours % 24 ? `${Math.floor(hours / 24)} d ${hours % 24} h` : `${Math.floor(hours / 24)} d`;
}

export function integer(value) {
  return Number.isFinite(value) ? whole.format(value).replace("-", MINUS) : NO_DATA;
}

/** A level or a score: one decimal below 100; a positive number too small for that is not written as 0. */
export function decimal(value) {
  if (!Number.isFinite(value)) return NO_DATA;
  if (value > 0 && value < 0.05) return "<0.1";
  const shown = (Math.abs(value) < 100 ? tenths : whole).format(value);
  return shown === "-0" ? "0" : shown.replace("-", MINUS);
}

/** A score, in standard deviations: always one decimal, so that a column of them can be compared. */
export function score(value) {
  if (!Number.isFinite(value)) return NO_DATA;
  const digits = Math.abs(value).toFixed(1);
  return value < 0 && digits !== "0.0" ? MINUS + digits : digits;
}

/** A polarity or its change, in [-2, 2], always with its sign: "−0.36", "+0.20", "0.00". */
export function signed(value) {
  if (!Number.isFinite(value)) return NO_DATA;
  const digits = Math.abs(value).toFixed(2);
  if (Number(digits) === 0) return "0.00";
  return `${value < 0 ? MINUS : "+"}${digits}`;
}

export function percent(value) {
  return Number.isFinite(value) ? `${Math.round(value * 100)} %` : NO_DATA;
}

/** "1 document", "3 documents". */
export function counted(count, one, many = `${one}s`) {
  return `${integer(count)} ${count === 1 ? one : many}`;
}

/** "38 negative stories in 60 min, 1.2 expected, upper band 6". */
export function levelSentence(level, windowMinutes) {
  const seen = `${counted(level.observed, "negative story", "negative stories")} in ${windowMinutes} min`;
  if (!Number.isFinite(level.expected)) return `${seen}; no expectation yet`;
  return `${seen}, ${decimal(level.expected)} expected, upper band ${decimal(level.upper)}`;
}

/** What a key is called on the page. */
export function subjectName({ dimension, key }) {
  return dimension === "all" ? "All news" : key;
}

export function dimensionName(dimension) {
  return { topic: "topic", entity: "company", all: "everything" }[dimension] ?? dimension;
}

/** "Chinese 12, Japanese 3", most first; null where there is none. */
export function languages(counts) {
  const rows = Object.entries(counts ?? {}).filter(([, count]) => count > 0);
  if (!rows.length) return null;
  rows.sort((a, b) => b[1] - a[1]);
  return rows.map(([code, count]) => `${languageName(code)} ${integer(count)}`).join(", ");
}

function languageName(code) {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // A code that no standard knows, such as "unknown-1".
  }
}
