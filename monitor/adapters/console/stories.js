// A story as a list item: title, source, time, reach.

import { element, field, reconcile, setAttribute, setText } from "./dom.js";
import { counted, duration, instant, moment, percent } from "./format.js";

/**
 * Shows stories in `list`.
 *
 * @param {Element} list
 * @param {Array<object>} stories as the API gives them.
 * @param {number} nowMs
 */
export function renderStories(list, stories, nowMs) {
  reconcile(list, stories, storyKey, createStory, (node, story) => updateStory(node, story, nowMs));
}

function storyKey(story) {
  return JSON.stringify([story.url, story.title, story.source, story.published]);
}

/** Titles come from the internet: only these schemes become links. */
function safeAddress(url) {
  try {
    const parsed = new URL(url);
    return ["http:", "https:"].includes(parsed.protocol) ? parsed.href : null;
  } catch {
    return null;
  }
}

function createStory(story) {
  const address = safeAddress(story.url);
  const title = address
    ? element("a", { href: address, target: "_blank", rel: "noopener noreferrer" })
    : element("span");
  title.className = "story-title";
  title.dataset.field = "story-title";
  title.dir = "auto";
  return element(
    "li",
    { class: "story" },
    title,
    element(
      "span",
      { class: "story-facts" },
      element("bdi", { class: "story-source", field: "story-source" }),
      element("time", { field: "story-published" }),
      element("span", { class: "story-reach", field: "story-documents" }),
      element("span", { field: "story-negative" }),
    ),
  );
}

function updateStory(node, story, nowMs) {
  const published = instant(story.published);
  const title = field(node, "story-title");
  setText(title, story.title || "(no title)");
  setAttribute(title, "title", story.title || null);
  setText(
    field(node, "story-source"),
    (story.source || "unknown source") + (story.kind === "comment" ? ", comment" : ""),
  );
  const time = field(node, "story-published");
  setAttribute(time, "datetime", story.published ?? "");
  setText(time, published === null ? "no time" : `${moment(published, nowMs)}, ${duration(nowMs - published)} ago`);
  setText(field(node, "story-documents"), `told by ${counted(story.documents, "document")}`);
  setText(field(node, "story-negative"), `negative ${percent(story.negative_probability)}`);
}
