// The chart of one subject: observed against expected and upper band, with a crosshair.

import { linear, nearest, runs, timeTicks, valueTicks } from "./chart_scale.js";
import { element, field, setText, svg } from "./dom.js";
import { decimal, instant, integer, levelSentence, localIsUtc, moment, score, utcTime } from "./format.js";

const HEIGHT = 250;
const MARGIN = { top: 24, right: 14, bottom: 40, left: 44 };
const TICK_SPACING = 62;
const READINGS = [
  ["observed", "observed", (point) => `${integer(point.observed)} of ${integer(point.stories)} stories`],
  ["expected", "expected", (point) => decimal(point.expected)],
  ["upper", "upper band", (point) => decimal(point.upper)],
  ["score", "score", (point) => `${score(point.score)} σ`],
  ["share-score", "share score", (point) => `${score(point.share_score)} σ`],
];

/** Draws into `box`; the newest data and the crosshair survive a change of width. */
export class TimelineChart {
  constructor(box) {
    this.box = box;
    this.model = null;
    this.hoverMs = null;
    this.svg = svg("svg", { class: "chart-svg", height: HEIGHT, role: "img", tabindex: "0" });
    this.layers = {};
    for (const name of ["grid", "spikes", "band", "expected", "observed", "axes", "cross"]) {
      this.layers[name] = this.svg.appendChild(svg("g", { class: `layer-${name}` }));
    }
    this.tip = createTip();
    this.message = element("p", { class: "chart-message" });
    box.append(createLegend(), element("div", { class: "chart-frame" }, this.svg, this.tip, this.message));
    this.frame = this.svg.parentElement;
    new ResizeObserver(() => requestAnimationFrame(() => this.draw())).observe(this.frame);
    this.bindPointer();
    this.bindKeys();
  }

  /** Shows a message in place of the data. */
  clear(message) {
    this.model = null;
    this.hoverMs = null;
    setText(this.message, message);
    this.draw();
  }

  /**
   * Shows a timeline.
   *
   * @param {object} timeline as the API gives it.
   * @param {{hours: number, nowMs: number}} range the axis ends now, so that missing data show as a gap.
   */
  update(timeline, { hours, nowMs }) {
    const end = Math.max(nowMs, instant(timeline.points.at(-1)?.at) ?? 0);
    const start = end - hours * 3_600_000;
    const points = timeline.points
      .map((point) => ({ ...point, ms: instant(point.at) }))
      .filter((point) => point.ms !== null && point.ms >= start);
    setText(this.message, points.length ? "" : `No data in the last ${hours} h.`);
    this.model = { points, start, end, hours, nowMs, timeline, stepMs: timeline.step_seconds * 1000 };
    this.draw();
  }

  draw() {
    const width = Math.floor(this.frame.clientWidth);
    if (!width) return;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    for (const layer of Object.values(this.layers)) layer.replaceChildren();
    this.message.hidden = !this.message.textContent;
    if (!this.model) {
      this.tip.hidden = true;
      return;
    }
    const { points, start, end } = this.model;
    const most = Math.max(1, ...points.map((point) => Math.max(point.observed ?? 0, point.upper ?? 0)));
    const ticks = valueTicks(most);
    this.x = linear(start, end, MARGIN.left, width - MARGIN.right);
    this.y = linear(0, ticks.at(-1), HEIGHT - MARGIN.bottom, MARGIN.top);
    this.drawAxes(width, ticks);
    this.drawSpikes();
    this.drawLines();
    this.drawCross();
    this.svg.setAttribute("aria-label", this.summary());
  }

  summary() {
    const { timeline, points, hours } = this.model;
    const last = points.at(-1);
    const now = last ? `Newest: ${levelSentence(last, timeline.window_minutes)}.` : "";
    return `Negative stories about ${timeline.key}, last ${hours} h. ${now} Arrow keys read values.`;
  }

  drawAxes(width, ticks) {
    const { start, end, timeline } = this.model;
    const base = HEIGHT - MARGIN.bottom;
    const { grid, axes } = this.layers;
    for (const tick of ticks) {
      const y = this.y(tick);
      grid.append(
        svg("line", {
          x1: MARGIN.left,
          x2: width - MARGIN.right,
          y1: y,
          y2: y,
          class: tick ? "grid-line" : "base-line",
        }),
      );
      axes.append(svg("text", { x: MARGIN.left - 6, y: y + 4, class: "tick tick-y" }, integer(tick)));
    }
    axes.append(
      svg("text", { x: 2, y: 12, class: "axis-title" }, `negative stories in ${timeline.window_minutes} min`),
    );
    const inUtc = localIsUtc(end);
    axes.append(svg("text", { x: 2, y: base + 16, class: "axis-title" }, inUtc ? "UTC" : "local"));
    if (!inUtc) axes.append(svg("text", { x: 2, y: base + 31, class: "axis-title" }, "UTC"));
    for (const tick of timeTicks(start, end, width - MARGIN.left - MARGIN.right, TICK_SPACING)) {
      const x = this.x(tick.at);
      grid.append(svg("line", { x1: x, x2: x, y1: base, y2: base + 4, class: "base-line" }));
      if (tick.isDay) grid.append(svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: base, class: "day-line" }));
      if (x < MARGIN.left + 8 || x > width - MARGIN.right - 4) continue;
      axes.append(svg("text", { x, y: base + 16, class: tick.isDay ? "tick tick-day" : "tick" }, tick.label));
      if (!inUtc) axes.append(svg("text", { x, y: base + 31, class: "tick tick-utc" }, utcTime(tick.at)));
    }
  }

  drawSpikes() {
    const { start, end, timeline } = this.model;
    const [top, base] = [MARGIN.top, HEIGHT - MARGIN.bottom];
    for (const spike of timeline.spikes ?? []) {
      const from = Math.max(start, instant(spike.start) ?? start);
      const to = Math.min(end, instant(spike.end) ?? end);
      if (to <= from) continue;
      const [x, width] = [this.x(from), Math.max(2, this.x(to) - this.x(from))];
      this.layers.spikes.append(
        svg("rect", {
          x,
          width,
          y: top,
          height: base - top,
          class: "spike-area",
          "data-spike": spike.active ? "on" : "ended",
        }),
        svg("rect", { x, width, y: top, height: 3, class: "spike-cap" }),
      );
    }
  }

  drawLines() {
    const { points, stepMs } = this.model;
    const place = (point, value) => `${this.x(point.ms).toFixed(1)},${this.y(value).toFixed(1)}`;
    const line = (run, valueOf) => `M${run.map((point) => place(point, valueOf(point))).join("L")}`;
    const add = (layer, className, d) => d && this.layers[layer].append(svg("path", { d, class: className }));
    const upper = runs(points, (point) => point.upper, stepMs);
    const area = (run) => `${line(run, (point) => point.upper)}L${place(run.at(-1), 0)}L${place(run[0], 0)}Z`;
    add("band", "band-area", upper.map(area).join(""));
    add("band", "band-line", upper.map((run) => line(run, (point) => point.upper)).join(""));
    const joined = (valueOf) =>
      runs(points, valueOf, stepMs)
        .map((run) => line(run, valueOf))
        .join("");
    add(
      "expected",
      "expected-line",
      joined((point) => point.expected),
    );
    add(
      "observed",
      "observed-line",
      joined((point) => point.observed),
    );
  }

  drawCross() {
    const { cross } = this.layers;
    cross.replaceChildren();
    const points = this.model?.points ?? [];
    this.tip.hidden = this.hoverMs === null || points.length === 0;
    if (this.tip.hidden) return;
    const point = points[nearest(points, this.hoverMs)];
    const x = this.x(point.ms);
    cross.append(svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: "cross-line" }));
    for (const name of ["upper", "expected", "observed"]) {
      if (Number.isFinite(point[name]))
        cross.append(svg("circle", { cx: x, cy: this.y(point[name]), r: 3.5, class: `dot dot-${name}` }));
    }
    this.fillTip(point, x);
  }

  fillTip(point, x) {
    setText(field(this.tip, "tip-at"), moment(point.ms, this.model.nowMs));
    for (const [name, , write] of READINGS) setText(field(this.tip, `tip-${name}`), write(point));
    setText(field(this.tip, "tip-state"), point.active ? "spike on" : "");
    const width = this.frame.clientWidth;
    const left = x + 14 + this.tip.offsetWidth > width ? x - 14 - this.tip.offsetWidth : x + 14;
    this.tip.style.transform = `translate(${Math.max(0, Math.round(left))}px, ${MARGIN.top + 6}px)`;
  }

  bindPointer() {
    const move = (event) => {
      if (!this.model?.points.length) return;
      const { start, end } = this.model;
      const offset = event.clientX - this.svg.getBoundingClientRect().left;
      this.hoverMs = start + ((offset - this.x(start)) / (this.x(end) - this.x(start))) * (end - start);
      this.drawCross();
    };
    this.svg.addEventListener("pointermove", move);
    this.svg.addEventListener("pointerdown", move);
    this.svg.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "touch") this.leave(); // A finger that lifts has left, and wants to read.
    });
    this.svg.addEventListener("blur", () => this.leave());
  }

  bindKeys() {
    this.svg.addEventListener("keydown", (event) => {
      const points = this.model?.points ?? [];
      if (!points.length) return;
      if (event.key === "Escape") return this.leave();
      const stride = event.shiftKey ? 15 : 1;
      const index = this.hoverMs === null ? points.length - 1 : nearest(points, this.hoverMs);
      const target = { ArrowLeft: index - stride, ArrowRight: index + stride, Home: 0, End: points.length - 1 }[
        event.key
      ];
      if (target === undefined) return;
      event.preventDefault();
      this.hoverMs = points[Math.min(points.length - 1, Math.max(0, target))].ms;
      this.drawCross();
    });
  }

  leave() {
    this.hoverMs = null;
    this.drawCross();
  }
}

function createTip() {
  const tip = element("div", { class: "tip", "aria-live": "polite" });
  tip.append(element("strong", { field: "tip-at" }));
  const list = element("dl");
  for (const [name, label] of READINGS)
    list.append(element("dt", { text: label }), element("dd", { field: `tip-${name}` }));
  tip.append(list, element("span", { class: "tip-state", field: "tip-state" }));
  tip.hidden = true;
  return tip;
}

function createLegend() {
  const entry = (name, text) =>
    element("span", {}, element("span", { class: `mark mark-${name}` }), document.createTextNode(text));
  return element(
    "p",
    { class: "chart-legend", "aria-hidden": "true" },
    entry("observed", "observed"),
    entry("expected", "expected"),
    entry("band", "up to the upper band"),
    entry("spike", "spike"),
  );
}
