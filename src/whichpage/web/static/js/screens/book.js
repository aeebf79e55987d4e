// A page of a book by its address, as a copied link names it.
import { book } from "../api.js";
import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { Reader } from "../reader.js";
import { cameFrom } from "../visit.js";
import { failure } from "./failure.js";

/** The screen of "#/book/3/page/12". */
export async function bookScreen(id, page) {
  let found;
  try {
    found = await book(id);
  } catch (error) {
    // 422: a number that no book can have.
    return error.status === 404 || error.status === 422 ? failure(null, t.noSuchBook) : failure(error);
  }
  const heading = h("h1", { tabindex: -1 }, found.title);
  const reader = new Reader(found, Math.min(Math.max(page, 1), found.pages), {
    fresh: true,
    // The address follows, so that reloading or sharing it opens what is shown; no step back for each page.
    onPage: (shown) => history.replaceState(history.state, "", `#/book/${id}/page/${shown}`),
  });
  const element = h(
    "article.book-screen",
    {},
    h("a.back", { href: "#/library", onclick: backToList }, icon("left"), t.tabLibrary),
    h("header.book-head", {}, heading, h("p.muted.small.path", {}, found.path)),
    reader.element,
  );
  return { element, title: found.title, destroy: () => reader.destroy() };
}

/** Where the list lies one step back, it is found there as it was left. */
function backToList(event) {
  if (!cameFrom("library")) return;
  event.preventDefault();
  history.back();
}
