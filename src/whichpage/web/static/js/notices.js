// What is said beside the screens: to the eye in passing, and to a screen reader.
import { fill, h } from "./dom.js";

const SHOWN = 4000; // milliseconds

const place = h("div.notices", { "aria-hidden": "true" }); // `spoken` says it to those who do not see it
const spoken = h("p.visually-hidden", { role: "status", "aria-live": "polite" });

/** Puts the places for notices on the page. */
export const noticePlaces = () => [place, spoken];

/** Shows a line for a few seconds, and reads it out. */
export function notice(text) {
  const line = h("p.notice", {}, text);
  fill(place, line);
  speak(text);
  setTimeout(() => line.remove(), SHOWN);
}

/** Reads a line out. */
export function speak(text) {
  // The same words again would not be a change, and so not be read.
  spoken.textContent = spoken.textContent === text ? `${text}\u00a0` : text;
}
