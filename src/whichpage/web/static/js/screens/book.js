// A page of a book by its address, as a copied link names it.
import { books } from "../api.js";
import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { Reader } from "../reader.js";
import { failure } from "./failure.js";

/** The screen of "#/book/3/page/12". */
export async function bookScreen(id, page) {
  let book;
  try {
    book = (await books()).find((one) => one.id === id);
  } catch (error) {
    return failure(error);
  }
  if (!book) return failure(null, t.noSuchBook);
  const heading = h("h1", { tabindex: -1 }, book.title);
  const reader = new Reader(book, Math.min(Math.max(page, 1), book.pages), (shown) => {
    // The address follows, so that reloading or sharing it opens what is shown; no step back for each page.
    history.replaceState(null, "", `#/book/${id}/page/${shown}`);
  });
  const element = h(
    "article.book-screen",
    {},
    h("a.back", { href: "#/library" }, icon("left"), t.tabLibrary),
    h("header.book-head", {}, heading, h("p.muted.small.path", {}, book.path)),
    reader.element,
  );
  return { element, title: book.title, destroy: () => reader.destroy() };
}
