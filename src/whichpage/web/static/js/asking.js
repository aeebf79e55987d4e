// From a photo to an answer in the history: prepare, send, wait where the server is busy or gone, keep.
import { find, Unreachable } from "./api.js";
import { reachable } from "./connection.js";
import { t } from "./i18n.js";
import { prepare } from "./photo.js";
import { keep } from "./store.js";

const LONG = 4000; // milliseconds after which waiting deserves a word

/**
 * @param {Blob} file the photo
 * @param {{name: string, signal: AbortSignal, onPhase: (text: string) => void}} how
 * @returns the entry of the history
 */
export async function ask(file, { name, signal, onPhase }) {
  onPhase(t.preparing);
  const { blob, thumbnail, shown } = await prepare(file);
  signal.throwIfAborted();
  const answer = await patiently(blob, { name, signal, onPhase });
  return keep({ name, photo: shown ? blob : null, thumbnail, shown, answer });
}

async function patiently(blob, { name, signal, onPhase }) {
  for (;;) {
    onPhase(t.looking);
    const slow = setTimeout(() => onPhase(t.lookingLong), LONG);
    try {
      return await find(blob, { name, signal, onWait: (seconds) => onPhase(t.busyWait(seconds)) });
    } catch (error) {
      if (!(error instanceof Unreachable)) throw error;
      clearTimeout(slow);
      onPhase(t.waitingForServer);
      await reachable(signal);
    } finally {
      clearTimeout(slow);
    }
  }
}

/** A page of a book, to be told from others. */
export const pageKey = (match) => `${match.book.id}:${match.page}`;

/** The verified pages of an answer, in the order of the books and their pages. */
export const verified = (answer) =>
  answer.matches.filter((match) => match.verified).sort((a, b) => a.book.id - b.book.id || a.page - b.page);
