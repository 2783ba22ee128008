// Reads the exporter every 5 s and hands what it read to the parts of the page.

import { hashOf, read, subjectOf } from "./api.js";
import { TimelineChart } from "./chart.js";
import { bindSwitch, field, setAttribute, setText } from "./dom.js";
import { clock, dimensionName, levelSentence, score, subjectName } from "./format.js";
import { announce, notice, renderHead, renderPartitions, renderZone, verdict } from "./head.js";
import { renderSpikes } from "./spikes.js";
import { renderStories } from "./stories.js";
import { bindTable, markSelected, renderTable } from "./table.js";

const REFRESH_MS = 5000;
const CLOCK_TOLERANCE_MS = 10_000;
const STORY_LIMIT = 20;

const panel = document.getElementById("selected");
const chart = new TimelineChart(document.getElementById("chart"));
const state = {
  dimension: "topic",
  subjects: null,
  selected: null,
  hours: 24,
  storyHours: 1,
  status: null,
  spikes: null,
  offsetMs: 0, // Exporter's clock minus the browser's: ages are judged by the exporter's.
  failure: null,
  readAt: null,
  detailTurn: 0,
  detailFailure: null,
};

const now = () => Date.now() + state.offsetMs;
/** The exporter may give the time of its newest snapshot, which is up to a refresh old: that is no clock going back. */
function adjustClock(status) {
  const advanced = status.refreshed === null || status.refreshed !== state.status?.refreshed;
  const offset = Date.parse(status.now) - Date.now();
  const later = state.status === null || offset > state.offsetMs || state.offsetMs - offset > CLOCK_TOLERANCE_MS;
  if (advanced && later) state.offsetMs = offset;
}

const windowMinutes = () => state.status?.window_minutes ?? 60;

async function refresh() {
  const { dimension } = state;
  const reads = [read("status"), read("subjects", { dimension }), read("spikes")];
  const [status, subjects, spikes] = await Promise.allSettled(reads);
  noteOutcome([status, subjects, spikes]);
  if (status.status === "fulfilled") {
    adjustClock(status.value);
    state.status = status.value;
  }
  if (subjects.status === "fulfilled" && dimension === state.dimension) state.subjects = subjects.value.subjects;
  if (spikes.status === "fulfilled") state.spikes = spikes.value.spikes;
  renderOverview();
  if (!state.selected && state.subjects?.length) chooseFirst();
  await refreshDetail();
  if (state.readAt !== null) document.body.dataset.loaded = "true";
}

function noteOutcome(outcomes) {
  const failed = firstFailure(outcomes);
  if (!failed) {
    state.failure = null;
    state.readAt = now();
  } else {
    state.failure = { since: state.failure?.since ?? now(), message: failed.message, shown: state.readAt };
  }
  document.body.classList.toggle("disconnected", state.failure !== null);
}

function renderOverview() {
  const nowMs = now();
  renderHead(state.status, state.failure, nowMs);
  announce(state.status, state.failure, nowMs);
  if (!state.status) return;
  renderPartitions(state.status, nowMs);
  const said = verdict(state.status, state.spikes, state.failure, nowMs);
  renderSpikes(state.spikes ?? [], { nowMs, windowMinutes: windowMinutes(), verdict: said });
  renderSubjects();
}

function renderSubjects() {
  const companies = state.dimension === "entity";
  setText(document.getElementById("subjects-title"), companies ? "Companies" : "Topics");
  renderTable(state.subjects ?? [], {
    selected: state.selected,
    dimension: state.dimension,
    windowMinutes: windowMinutes(),
  });
  const empty = document.getElementById("subjects-empty");
  empty.hidden = (state.subjects?.length ?? 0) > 0;
  setText(empty, state.subjects ? `No ${companies ? "companies" : "topics"} have been seen yet.` : "Loading…");
}

/** Reads chart and stories of the selected subject; an answer that was overtaken by another choice is dropped. */
async function refreshDetail() {
  const subject = state.selected;
  if (!subject) return renderNothingSelected();
  const turn = ++state.detailTurn;
  const query = { dimension: subject.dimension, key: subject.key };
  const reads = [
    read("timeline", { ...query, hours: state.hours }),
    read("stories", { ...query, hours: state.storyHours, limit: STORY_LIMIT }),
  ];
  const { hours, storyHours } = state;
  const [timeline, stories] = await Promise.allSettled(reads);
  if (turn !== state.detailTurn) return;
  noteDetail([timeline, stories]);
  showTimeline(timeline, hours);
  showStories(stories, storyHours);
}

/** Chart and stories that could not be read anew stay, but are said to be old. */
function noteDetail(outcomes) {
  const failed = firstFailure(outcomes);
  state.detailFailure = failed && { since: state.detailFailure?.since ?? now(), message: failed.message };
  const older = panel.dataset.state === "loaded" ? "; what is shown here is older" : "";
  const text = failed && `Not read since ${clock(state.detailFailure.since, true)} (${failed.message})${older}.`;
  notice("detail", state.failure ? "" : text);
  setAttribute(panel, "data-outdated", failed ? "" : null);
}

function firstFailure(outcomes) {
  return outcomes.find((outcome) => outcome.status === "rejected" && !outcome.reason.absent)?.reason ?? null;
}

function showTimeline(outcome, hours) {
  const sentence = field(panel, "selected-level");
  if (outcome.status === "rejected") {
    // While the API can't be read, the last data stay.
    if (outcome.reason.absent || panel.dataset.state !== "loaded") {
      setText(sentence, outcome.reason.absent ? `No data: ${outcome.reason.reason}.` : "No data.");
      chart.clear("No data");
    }
    return;
  }
  panel.dataset.state = "loaded";
  const timeline = outcome.value;
  const last = timeline.points.at(-1);
  const scores = Number.isFinite(last?.score)
    ? `; score ${score(last.score)} σ (share ${score(last.share_score)} σ)`
    : "";
  setText(sentence, last ? `${levelSentence(last, timeline.window_minutes)}${scores}.` : "No data.");
  chart.update(timeline, { hours, nowMs: now() });
}

function showStories(outcome, hours) {
  const empty = document.getElementById("stories-empty");
  const list = document.getElementById("stories");
  if (outcome.status === "fulfilled") {
    renderStories(list, outcome.value.stories, now());
    setText(empty, outcome.value.stories.length ? "" : `No negative stories in the last ${hours} h.`);
  } else if (outcome.reason.absent || panel.dataset.state !== "loaded") {
    renderStories(list, [], now());
    setText(empty, `No data: ${outcome.reason.reason}.`);
  }
  empty.hidden = !empty.textContent;
}

function renderNothingSelected() {
  setText(field(panel, "selected-name"), "No subject selected");
  setText(field(panel, "selected-level"), "");
  document.getElementById("stories-empty").hidden = true;
  chart.clear("Nothing to show yet.");
}

function showSelected(subject) {
  const changed = panel.dataset.subjectKey !== subject.key || panel.dataset.dimension !== subject.dimension;
  panel.dataset.subjectKey = subject.key;
  panel.dataset.dimension = subject.dimension;
  setText(field(panel, "selected-name"), subjectName(subject));
  setAttribute(field(panel, "selected-name"), "dir", "auto");
  setText(field(panel, "selected-dimension"), dimensionName(subject.dimension));
  if (!changed) return;
  panel.dataset.state = "loading";
  state.detailFailure = null;
  setText(field(panel, "selected-level"), "Loading…");
  chart.clear("Loading…");
  renderStories(document.getElementById("stories"), [], now());
  const empty = document.getElementById("stories-empty");
  empty.hidden = false;
  setText(empty, "Loading…");
}

function followHash() {
  const subject = subjectOf(location.hash);
  if (!subject) return;
  state.selected = subject;
  if (subject.dimension !== "all") changeDimension(subject.dimension);
  markSelected(subject);
  showSelected(subject);
  guarded(refreshDetail)();
}

/** Until someone chooses, the first row is shown; the address stays as it is, so that a reload chooses anew. */
function chooseFirst() {
  state.selected = state.subjects[0];
  markSelected(state.selected);
  showSelected(state.selected);
}

const markDimension = bindSwitch(document.getElementById("dimension-switch"), changeDimension);

function changeDimension(dimension) {
  if (dimension === state.dimension) return;
  state.dimension = dimension;
  state.subjects = null;
  markDimension(dimension);
  renderSubjects();
  guarded(readSubjects)();
}

async function readSubjects() {
  const { dimension } = state;
  const answer = await read("subjects", { dimension }).catch(() => null); // The next refresh says what is wrong.
  if (answer && dimension === state.dimension) {
    state.subjects = answer.subjects;
    renderSubjects();
  }
}

function choose(subject) {
  location.hash = hashOf(subject);
  // In one column the panel may lie out of sight.
  const { top, bottom } = panel.getBoundingClientRect();
  if (top > innerHeight - 200 || bottom < 100) panel.scrollIntoView({ block: "start" });
}

/** Shows what goes wrong instead of stopping silently. */
function guarded(action) {
  return () =>
    Promise.resolve()
      .then(action)
      .catch((error) => reportError(error));
}

async function poll() {
  await guarded(refresh)();
  setTimeout(poll, REFRESH_MS);
}

bindTable(choose);
bindSwitch(document.getElementById("range-switch"), (value) => {
  state.hours = Number(value);
  guarded(refreshDetail)();
});
bindSwitch(document.getElementById("stories-switch"), (value) => {
  state.storyHours = Number(value);
  guarded(refreshDetail)();
});
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-select]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault(); // A link in a summary would also open it.
  choose(subjectOf(link.hash));
});
addEventListener("hashchange", followHash);
setInterval(() => renderHead(state.status, state.failure, now()), 1000);
renderZone();
followHash();
poll();
