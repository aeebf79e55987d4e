// Whether the server can be reached: told by whoever failed, asked again until it answers.
import { healthy } from "./api.js";

const EVERY = 2500; // milliseconds

const listeners = new Set();
let away = null; // while it is away, a promise of its return

/** Calls back with true when the server is reachable again and false when it is gone. */
export function onConnection(listener) {
  listeners.add(listener);
}

/** Resolves when the server can be reached, rejects once `signal` says so; the page says meanwhile that it cannot. */
export function reachable(signal) {
  away ??= (async () => {
    for (const listener of listeners) listener(false);
    do await new Promise((resolve) => setTimeout(resolve, EVERY));
    while (!(await healthy()));
    away = null;
    for (const listener of listeners) listener(true);
  })();
  return signal ? Promise.race([away, aborted(signal)]) : away;
}

const aborted = (signal) =>
  new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });
