// The table of subjects: one row each, in the order the API gives.

import { element, field, reconcile, setAttribute, setText } from "./dom.js";
import { clock, counted, decimal, instant, integer, NO_DATA, score, signed, subjectName } from "./format.js";

const SENTIMENTS = ["negative", "neutral", "positive"];
// Turns smaller than this would otherwise fill the bar on a quiet day.
const LEAST_TURN_SCALE = 0.25;

const table = document.getElementById("subjects");
const body = table.tBodies[0];

/**
 * Shows the subjects.
 *
 * @param {Array<object>} subjects
 * @param {{selected: object|null, dimension: string, windowMinutes: number}} context
 */
export function renderTable(subjects, { selected, dimension, windowMinutes }) {
  const hours = [...new Set(subjects.flatMap((subject) => subject.windows.map((window) => window.hours)))];
  hours.sort((a, b) => a - b);
  renderHead(hours.length ? hours : [1, 6, 24], dimension, subjects[0]?.turn?.hours ?? 6, windowMinutes);
  const changes = subjects.map((subject) => Math.abs(subject.turn?.change ?? 0));
  const scale = Math.max(LEAST_TURN_SCALE, ...changes);
  // The columns are part of the key: rows made for other windows are made anew.
  const keyOf = (subject) => JSON.stringify([subject.dimension, subject.key, hours]);
  reconcile(
    body,
    subjects,
    keyOf,
    (subject) => createRow(subject, hours),
    (row, subject) => updateRow(row, subject, scale),
  );
  markSelected(selected);
}

/** Marks the selected row, and keeps exactly one row in the tab order. */
export function markSelected(selected) {
  let entry = null;
  for (const row of body.rows) {
    const chosen = row.dataset.subjectKey === selected?.key && row.dataset.dimension === selected?.dimension;
    setAttribute(row, "aria-selected", String(chosen));
    setAttribute(row, "tabindex", "-1");
    if (chosen || row === document.activeElement) entry = row;
  }
  entry ??= body.rows[0] ?? null;
  if (entry) entry.tabIndex = 0;
}

/** Calls `choose` with the subject of a row that is clicked or entered; arrow keys move between rows. */
export function bindTable(choose) {
  const subjectOfRow = (row) => ({ dimension: row.dataset.dimension, key: row.dataset.subjectKey });
  body.addEventListener("click", (event) => {
    const row = event.target.closest("tr");
    if (row) choose(subjectOfRow(row));
  });
  body.addEventListener("keydown", (event) => {
    const row = event.target.closest("tr");
    if (!row) return;
    if (event.key === "Enter" || event.key === " ") choose(subjectOfRow(row));
    else if (!moveFocus(row, event.key)) return;
    event.preventDefault();
  });
}

function moveFocus(row, key) {
  const targets = {
    ArrowDown: row.nextElementSibling,
    ArrowUp: row.previousElementSibling,
    Home: body.firstElementChild,
    End: body.lastElementChild,
  };
  if (!(key in targets)) return false;
  const target = targets[key];
  if (target) {
    row.tabIndex = -1;
    target.tabIndex = 0;
    target.focus();
  }
  return true;
}

function renderHead(hours, dimension, turnHours, windowMinutes) {
  const shape = JSON.stringify([hours, dimension, turnHours, windowMinutes]);
  if (table.dataset.shape === shape) return;
  table.dataset.shape = shape;
  const column = (title, hint, colspan = 1, scope = "col") => {
    const cell = element("th", { scope }, element("span", { text: title }), element("small", { text: hint }));
    if (colspan > 1) cell.colSpan = colspan;
    return cell;
  };
  const turn = column(`Turn, ${turnHours} h`, "polarity before → now");
  const polarity = "Mean polarity (P(positive) − P(negative), from −1 to 1)";
  turn.title = `${polarity} of the days before, and of the last ${turnHours} h`;
  const row = element(
    "tr",
    {},
    column(dimension === "entity" ? "Company" : "Topic", ""),
    column("Spike", `negative in ${windowMinutes} min, seen / expected`),
    turn,
    ...hours.map((hour) => column(`Stories, ${hour} h`, "neg · neu · pos", 2, "colgroup")),
    column("Score", "σ"),
  );
  row.lastElementChild.className = "number";
  table.tHead.replaceChildren(row);
}

function createRow(subject, hours) {
  const row = element(
    "tr",
    { "data-subject-key": subject.key, "data-dimension": subject.dimension, tabindex: "-1" },
    element("th", { scope: "row", dir: "auto", text: subjectName(subject), field: "subject" }),
    element(
      "td",
      { class: "spike-cell" },
      element("span", { class: "state", field: "spike-state" }),
      element("span", { class: "sub", field: "spike-level" }),
    ),
    createTurn(),
  );
  for (const hour of hours) {
    row.append(
      element("td", { class: "number stories-cell", field: `stories-${hour}h`, text: NO_DATA }),
      createMix(hour),
    );
  }
  row.append(element("td", { class: "number", field: "score" }));
  return row;
}

function createTurn() {
  const numbers = element(
    "span",
    { class: "turn-numbers" },
    element("span", { field: "polarity-before" }),
    element("span", { class: "arrow", text: "→" }),
    element("span", { field: "polarity-now" }),
    element("strong", { field: "turn" }),
  );
  const bar = element("span", { class: "turn-bar", "aria-hidden": "true" }, element("span", { class: "turn-fill" }));
  return element("td", { class: "turn-cell" }, numbers, bar);
}

function createMix(hour) {
  const bar = element("span", { class: "mix-bar", "aria-hidden": "true" });
  const counts = element("span", { class: "mix-counts" });
  for (const sentiment of SENTIMENTS) {
    bar.append(element("span", { class: `mix-part mix-${sentiment}` }));
    counts.append(element("span", { class: `count-${sentiment}`, field: `${sentiment}-${hour}h`, text: NO_DATA }));
  }
  return element("td", { class: "mix-cell", field: `mix-${hour}h` }, bar, counts);
}

function updateRow(row, subject, scale) {
  row.classList.toggle("spike-on", subject.spike?.active === true);
  updateSpike(row, subject.spike);
  updateTurn(row, subject.turn ?? {}, scale);
  for (const window of subject.windows) updateWindow(row, window);
  setText(field(row, "score"), score(subject.spike?.score));
  const share = subject.spike
    ? `Score of the count; of the share of negatives: ${score(subject.spike.share_score)} σ`
    : null;
  setAttribute(field(row, "score"), "title", share);
}

function updateSpike(row, spike) {
  const state = field(row, "spike-state");
  const since = instant(spike?.since);
  const name = spike ? (spike.active ? "on" : "quiet") : "not-judged";
  setAttribute(state, "data-state", name);
  setText(
    state,
    { on: since === null ? "On" : `On since ${clock(since)}`, quiet: "quiet", "not-judged": "not judged yet" }[name],
  );
  setText(
    field(row, "spike-level"),
    spike ? `${integer(spike.observed)} / ${decimal(spike.expected)}` : "too little history",
  );
  const title = spike
    ? `${counted(spike.observed, "negative story", "negative stories")} of ${integer(spike.stories)}; ` +
      `${decimal(spike.expected)} expected, upper band ${decimal(spike.upper)}`
    : null;
  setAttribute(state.parentElement, "title", title);
}

function updateTurn(row, turn, scale) {
  const known = Number.isFinite(turn.change);
  setText(field(row, "polarity-before"), signed(turn.polarity_before));
  setText(field(row, "polarity-now"), signed(turn.polarity_now));
  setText(field(row, "turn"), known ? signed(turn.change) : "no data");
  const change = known ? turn.change : 0;
  const cell = row.querySelector(".turn-cell");
  setAttribute(cell, "data-direction", known && change !== 0 ? (change < 0 ? "negative" : "positive") : "none");
  const half = (Math.abs(change) / scale) * 50;
  const fill = cell.querySelector(".turn-fill");
  fill.style.width = `${half}%`;
  fill.style.left = `${change < 0 ? 50 - half : 50}%`;
}

function updateWindow(row, window) {
  const { hours } = window;
  setText(field(row, `stories-${hours}h`), integer(window.stories));
  const cell = field(row, `mix-${hours}h`);
  const empty = !window.stories;
  cell.classList.toggle("mix-empty", empty);
  SENTIMENTS.forEach((sentiment, index) => {
    setText(field(row, `${sentiment}-${hours}h`), empty ? NO_DATA : integer(window[sentiment]));
    cell.querySelector(".mix-bar").children[index].style.flexGrow = String(window[sentiment] || 0);
  });
  const told = `${counted(window.stories, "story", "stories")} in ${counted(window.documents, "document")}`;
  const counts = SENTIMENTS.map((sentiment) => `${integer(window[sentiment])} ${sentiment}`).join(", ");
  setAttribute(cell, "title", `${hours} h: ${told}; ${counts}; mean polarity ${signed(window.polarity)}`);
}
