// Whether the server can be reached: told by whoever failed, asked again until it answers.
import { healthy } from "./api.js";

const EVERY = 2500; // milliseconds

const listeners = new Set();
let away = null; // while it is away, a promise of its return

/** Calls back with true when the server is reachable again and false when it is gone. */
export function onConnection(listener) {
  listeners.add(listener);
}

/** Resolves when the server can be reached; the page says meanwhile that it cannot. */
export function reachable() {
  away ??= (async () => {
    for (const listener of listeners) listener(false);
    do await new Promise((resolve) => setTimeout(resolve, EVERY));
    while (!(await healthy()));
    away = null;
    for (const listener of listeners) listener(true);
  })();
  return away;
}
