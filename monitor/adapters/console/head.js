// The head line and the notices: whether what the page shows can be trusted now.

import { element, field, reconcile, setText } from "./dom.js";
import {
  clock,
  counted,
  decimal,
  duration,
  instant,
  integer,
  languages,
  localIsUtc,
  moment,
  utcTime,
} from "./format.js";

export const STALE_MS = 15 * 60_000;
const EXPORTER_STALE_MS = 60_000;

const head = document.querySelector(".head");
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;

/** Whether the newest document is too old for the page to speak of now. */
export function isStale(status, nowMs) {
  const newest = instant(status?.last_published);
  return newest !== null && nowMs - newest > STALE_MS;
}

/** Milliseconds at which enough history will be there at the earliest; null where it is. */
export function judgedFrom(status) {
  const missing = status.min_history_hours - status.history_hours;
  return missing > 0 ? instant(status.now) + missing * 3_600_000 : null;
}

/**
 * Shows head line and notices; called every second, since ages grow between refreshes.
 *
 * @param {object|null} status the newest that was read.
 * @param {{since: number, message: string, shown: number|null}|null} failure set while the API can't be read.
 * @param {number} nowMs
 */
export function renderHead(status, failure, nowMs) {
  const utc = localIsUtc(nowMs) ? " UTC" : ` (${utcTime(nowMs)} UTC)`;
  setText(field(head, "now"), `${clock(nowMs, true)}${utc}`);
  notice("unreachable", failure && failureText(failure, nowMs));
  if (failure && !status)
    setText(document.querySelector('[data-field="spike-verdict"]'), "Unknown: nothing has been read so far.");
  if (!status) return;
  const newest = instant(status.last_published);
  setText(field(head, "newest-age"), newest === null ? "no data" : `${duration(nowMs - newest)} ago`);
  field(head, "newest-age").classList.toggle("alarming", isStale(status, nowMs));
  const known = instant(status.refreshed) !== null;
  setText(field(head, "documents"), known ? integer(status.documents) : "no data");
  setText(field(head, "spikes-on"), known ? spikesText(status) : "no data");
  field(head, "spikes-on").classList.toggle("alarming-spike", status.spikes_on > 0);
  setText(field(head, "unsupported"), languages(status.unsupported) ?? (known ? "none" : "no data"));
  notice("stale", isStale(status, nowMs) && staleText(newest, nowMs));
  notice("exporter-stale", !failure && exporterText(status, nowMs));
  notice("history", historyText(status, nowMs));
}

/**
 * What to say where no spike is shown, which is not always that there is none.
 *
 * @param {object} status
 * @param {Array<object>|null} spikes null where they have not been read.
 * @param {object|null} failure as in `renderHead`.
 * @param {number} nowMs
 */
export function verdict(status, spikes, failure, nowMs) {
  if (spikes === null) return "Unknown: the spikes could not be read.";
  if (instant(status.refreshed) === null) return "Unknown: the exporter has not read Redis yet.";
  if (!status.documents) return "No documents have been processed yet, so there is nothing to judge.";
  if (judgedFrom(status) !== null) return `Nothing can be judged yet: ${historyShare(status)}.`;
  if (failure?.shown) return `No spike was on at ${clock(failure.shown)}, when this was last read.`;
  if (exporterText(status, nowMs))
    return `No spike was on at ${moment(instant(status.refreshed), nowMs)}, when Redis was last read.`;
  const newest = instant(status.last_published);
  if (isStale(status, nowMs))
    return `No spike is seen, but nothing is known of the time after ${moment(newest, nowMs)}: data are stale.`;
  const ended = spikes.map((spike) => instant(spike.end)).filter((end) => end !== null);
  const last = ended.length
    ? `The last one ended ${duration(nowMs - Math.max(...ended))} ago.`
    : "There was none in the last 48 h.";
  return `No spike is on. ${last}`;
}

/** Shows how far each partition has come. */
export function renderPartitions(status, nowMs) {
  const create = () =>
    element("tr", {}, element("th", { scope: "row" }), element("td", { class: "number" }), element("td"));
  reconcile(
    document.getElementById("partitions"),
    status.partitions ?? [],
    (row) => String(row.partition),
    create,
    (node, row) => {
      const newest = instant(row.last_published);
      setText(node.cells[0], String(row.partition));
      setText(node.cells[1], integer(row.position));
      setText(
        node.cells[2],
        newest === null ? "no data" : `${moment(newest, nowMs)}, ${duration(nowMs - newest)} ago`,
      );
    },
  );
}

/** Says once, for screen readers and the tab's title, what has changed. */
export function announce(status, failure, nowMs) {
  let state = status?.spikes_on ? `${counted(status.spikes_on, "spike")} on` : "";
  if (isStale(status, nowMs)) state = state ? `${state}, data stale` : "Data stale";
  if (failure) state = "Unreachable";
  setText(document.getElementById("announcer"), state);
  const title = state ? `${state} · Sentiment monitor` : "Sentiment monitor";
  if (document.title !== title) document.title = title;
}

/** Names the time zone in which the page speaks. */
export function renderZone() {
  document.querySelector('[data-field="zone"]').textContent =
    `Times are local (${zone}), with UTC beside them. Refreshed every 5 s.`;
}

/** Shows or, without a text, hides a notice. */
export function notice(name, text) {
  const node = document.querySelector(`[data-notice="${name}"]`);
  node.hidden = !text;
  setText(node, text || "");
}

function spikesText(status) {
  return !status.spikes_on && judgedFrom(status) !== null ? "not judged yet" : integer(status.spikes_on);
}

function failureText({ since, message, shown }, nowMs) {
  const kept =
    shown === null
      ? "Not everything has been read yet."
      : `What is shown, greyed, was read at ${clock(shown, true)}.`;
  const lasting = `since ${clock(since, true)}, for ${duration(nowMs - since)}`;
  return `The monitor can’t be read ${lasting} (${message}). ${kept} Trying again every 5 s.`;
}

function staleText(newest, nowMs) {
  const published = `published ${duration(nowMs - newest)} ago, at ${moment(newest, nowMs)}`;
  const advice = "Spikes since then are not seen. Check scrapers, broker and workers.";
  return `Data are stale: the newest document was ${published}. ${advice}`;
}

function exporterText(status, nowMs) {
  const refreshed = instant(status.refreshed);
  if (refreshed === null) return "The exporter has not read Redis yet.";
  if (nowMs - refreshed < EXPORTER_STALE_MS) return "";
  const read = `${duration(nowMs - refreshed)} ago, at ${moment(refreshed, nowMs)}`;
  return `The exporter last read Redis ${read}; what is shown is as old.`;
}

function historyText(status, nowMs) {
  const from = judgedFrom(status);
  if (from === null) return "";
  return `Too little history: ${historyShare(status)}. Nothing can be judged before ${moment(from, nowMs)}.`;
}

function historyShare(status) {
  return `${decimal(status.history_hours)} h of history so far, ${decimal(status.min_history_hours)} h needed`;
}
