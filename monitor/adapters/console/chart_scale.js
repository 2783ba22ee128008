// Scales and ticks of the chart; no drawing.

import { clock, day } from "./format.js";

const HOUR_STEPS = [1, 2, 3, 6, 12, 24];

/** A function that maps [from, to] linearly to [low, high]. */
export function linear(from, to, low, high) {
  const factor = (high - low) / (to - from || 1);
  return (value) => low + (value - from) * factor;
}

/** Whole numbers from 0 past `most`, at most about `count` of them; counts of stories have no fractions. */
export function valueTicks(most, count = 4) {
  const rough = Math.max(1, most / count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => Math.ceil(factor * power)).find((value) => value >= rough);
  const ticks = [0];
  while (ticks[ticks.length - 1] < most) ticks.push(ticks[ticks.length - 1] + step);
  if (ticks.length === 1) ticks.push(step);
  return ticks;
}

/**
 * Full local hours in [start, end], as many as fit.
 *
 * @returns {Array<{at: number, label: string, isDay: boolean}>} midnight is labelled with its day.
 */
export function timeTicks(start, end, width, spacing) {
  const hours = (end - start) / 3_600_000;
  const step = HOUR_STEPS.find((candidate) => (hours / candidate) * spacing <= width) ?? 24;
  const at = new Date(start);
  at.setHours(0, 0, 0, 0);
  const ticks = [];
  for (; at.getTime() <= end; at.setHours(at.getHours() + step)) {
    if (at.getTime() < start) continue;
    const isDay = at.getHours() === 0 && at.getMinutes() === 0;
    ticks.push({ at: at.getTime(), label: isDay ? day(at) : clock(at), isDay });
  }
  return ticks;
}

/** Runs of points that follow one another without a gap and have a value: what may be joined by a line. */
export function runs(points, valueOf, stepMs) {
  const found = [];
  let last = null;
  for (const point of points) {
    if (!Number.isFinite(valueOf(point))) {
      last = null;
      continue;
    }
    if (last === null || point.ms - last.ms > 2.5 * stepMs) found.push([]);
    found[found.length - 1].push(point);
    last = point;
  }
  return found;
}

/** The index of the point nearest to an instant; points ascend. */
export function nearest(points, ms) {
  let [low, high] = [0, points.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle].ms < ms) low = middle;
    else high = middle;
  }
  return ms - points[low].ms <= points[high].ms - ms ? low : high;
}
