// What is said beside the screens: to the eye in passing, and to a screen reader.
import { fill, h } from "./dom.js";

const SHOWN = 4000; // milliseconds

const place = h("div.notices", { "aria-hidden": "true" }); // `spoken` says it to those who do not see it
const spoken = h("p.visually-hidden", { role: "status", "aria-live": "polite" });

/** Puts the places for notices on the page. */
export const noticePlaces = () => [place, spoken];

let forNext = false; // whether the line that was read out last is of the screen to come

/** Shows a line for a few seconds, and reads it out; `next` as in `speak`. */
export function notice(text, how = {}) {
  const line = h("p.notice", {}, text);
  fill(place, line);
  speak(text, how);
  setTimeout(() => line.remove(), SHOWN);
}

/**
 * Reads a line out. It can be read until another screen is shown.
 * @param {string} text
 * @param {{next?: boolean}} how `next`: it is of the screen that is shown next, and stays for that
 */
export function speak(text, { next = false } = {}) {
  forNext = next;
  // The same words again would not be a change, and so not be read.
  spoken.textContent = spoken.textContent === text ? `${text}\u00a0` : text;
}

/** Takes away what was said on the screen before: who comes upon it later would take it for news. */
export function forgetSpoken() {
  if (!forNext) spoken.textContent = "";
  forNext = false;
}
