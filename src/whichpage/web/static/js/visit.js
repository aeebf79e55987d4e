// What the reader had done on a screen, kept with its step of the browser's history: going back finds it so again.

/** What was kept with the step that is shown; nothing for a new one. */
export const kept = () => history.state?.kept ?? {};

/** Keeps it with the step that is shown. */
export function keep(state) {
  history.replaceState({ ...history.state, kept: state }, "");
}

/** Opens another screen in a step of its own that knows from which screen it was reached. */
export function goFrom(screen, address) {
  history.pushState({ from: screen }, "", address);
  window.dispatchEvent(new HashChangeEvent("hashchange"));
}

/** Whether the step before this one is that screen. */
export const cameFrom = (screen) => history.state?.from === screen;

/**
 * Which card of a list of books is the first in sight, and how far down: the height of cards out of sight is but
 * guessed, so pixels of the page would not tell.
 * @param {Element} list
 * @param {{id: number}[]|null} among the books that come into question; null for all
 */
export function firstInSight(list, among = null) {
  const ids = among && new Set(among.map((book) => String(book.id)));
  for (const card of list.children) {
    const { top, bottom } = card.getBoundingClientRect();
    if (bottom > 0 && (!ids || ids.has(card.dataset.book))) return { book: card.dataset.book, top };
  }
  return null;
}

/** Scrolls to where that card is as far down as it was; nowhere if it is gone. */
export function bringBack(list, place) {
  const card = place && list.querySelector(`[data-book="${place.book}"]`);
  if (!card) return;
  const move = () => {
    if (!card.isConnected) return; // the reader has gone on
    window.scrollBy({ top: card.getBoundingClientRect().top - place.top, behavior: "instant" });
  };
  move();
  // Once the cards around it are drawn, their heights are known.
  requestAnimationFrame(() => requestAnimationFrame(move));
}
