// The spikes that are on and those that ended, each with what it rests on.

import { hashOf } from "./api.js";
import { element, field, reconcile, setAttribute, setText } from "./dom.js";
import {
  clock,
  counted,
  dimensionName,
  duration,
  instant,
  levelSentence,
  moment,
  score,
  subjectName,
} from "./format.js";
import { renderStories } from "./stories.js";

export const PAST_HOURS = 48;
const SHOWN_FIRST = 6;
const expanded = new Set();

/**
 * Shows the section.
 *
 * @param {Array<object>} spikes as the API gives them, newest first.
 * @param {{nowMs: number, windowMinutes: number, verdict: string}} context `verdict` is said where no spike is on.
 */
export function renderSpikes(spikes, { nowMs, windowMinutes, verdict }) {
  const on = spikes.filter((spike) => spike.active);
  const past = spikes.filter((spike) => !spike.active && instant(spike.end) > nowMs - PAST_HOURS * 3_600_000);
  const sentence = document.querySelector('[data-field="spike-verdict"]');
  sentence.hidden = on.length > 0;
  setText(sentence, on.length ? "" : verdict);
  const draw = () => {
    renderList("spikes-on", on, createCard, (node, spike) => updateCard(node, spike, nowMs, windowMinutes), draw);
    renderList("spikes-past", past, createPast, (node, spike) => updatePast(node, spike, nowMs, windowMinutes), draw);
  };
  draw();
  document.getElementById("spikes-past-title").hidden = past.length === 0;
}

function renderList(id, spikes, create, update, redraw) {
  const shown = expanded.has(id) ? spikes : spikes.slice(0, SHOWN_FIRST);
  reconcile(document.getElementById(id), shown, spikeKey, create, update);
  const more = document.getElementById(`${id}-more`);
  more.hidden = shown.length === spikes.length;
  setText(more, `Show all ${spikes.length}`);
  more.onclick = () => {
    expanded.add(id);
    redraw();
  };
}

function spikeKey(spike) {
  return JSON.stringify([spike.dimension, spike.key, spike.start]);
}

function subjectLink(spike) {
  const name = element("a", {
    class: "spike-subject",
    href: hashOf(spike),
    field: "spike-subject",
    "data-select": "",
  });
  name.textContent = subjectName(spike);
  name.dir = "auto";
  return name;
}

function tagged(node, spike) {
  node.dataset.subjectKey = spike.key;
  node.dataset.dimension = spike.dimension;
  return node;
}

function createCard(spike) {
  const head = element(
    "div",
    { class: "spike-head" },
    element("span", { class: "badge badge-on", text: "On" }),
    subjectLink(spike),
    element("span", { class: "hint", text: dimensionName(spike.dimension) }),
  );
  return tagged(
    element(
      "li",
      { class: "spike-card" },
      element(
        "div",
        { class: "spike-body" },
        element(
          "div",
          {},
          head,
          element("p", { class: "spike-when", field: "spike-when" }),
          element("p", { class: "spike-level", field: "spike-level" }),
        ),
        element("ol", { class: "stories", field: "spike-stories" }),
      ),
    ),
    spike,
  );
}

function updateCard(node, spike, nowMs, windowMinutes) {
  const start = instant(spike.start);
  setText(field(node, "spike-when"), `since ${moment(start, nowMs)}, for ${duration(nowMs - start)}`);
  setText(field(node, "spike-level"), `${levelSentence(spike.peak, windowMinutes)} ${peakTime(spike)}`);
  renderStories(field(node, "spike-stories"), spike.stories ?? [], nowMs);
}

function createPast(spike) {
  const summary = element(
    "summary",
    {},
    element("span", { class: "badge", text: "Ended" }),
    subjectLink(spike),
    element("span", { class: "hint", text: dimensionName(spike.dimension) }),
    element("span", { class: "spike-when", field: "spike-when" }),
    element("span", { class: "spike-level", field: "spike-level" }),
  );
  return tagged(
    element("li", {}, element("details", {}, summary, element("ol", { class: "stories", field: "spike-stories" }))),
    spike,
  );
}

function updatePast(node, spike, nowMs, windowMinutes) {
  const [start, end] = [instant(spike.start), instant(spike.end)];
  setText(field(node, "spike-when"), `${moment(start, nowMs)} until ${moment(end, start)}, ${duration(end - start)}`);
  setText(field(node, "spike-level"), `${levelSentence(spike.peak, windowMinutes)} ${peakTime(spike)}`);
  const stories = spike.stories ?? [];
  setAttribute(node.querySelector("summary"), "title", counted(stories.length, "story", "stories"));
  renderStories(field(node, "spike-stories"), stories, nowMs);
}

function peakTime(spike) {
  const at = instant(spike.peak.at);
  const surprise = Number.isFinite(spike.peak.score) ? `, score ${score(spike.peak.score)} σ` : "";
  return `(peak, ${at === null ? "time unknown" : clock(at)}${surprise})`;
}
