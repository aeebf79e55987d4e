// The library: its books by cover, a search among many, adding, removing, and what failed and why.
import { books, removeBook } from "../api.js";
import { bookLabel, fileLine } from "../books.js";
import { detail } from "../detail.js";
import { append, confirmDialog, fill, h, icon } from "../dom.js";
import { explain, language, t } from "../i18n.js";
import { notice } from "../notices.js";
import { filePicker } from "../picker.js";
import { setSetting, setting } from "../settings.js";
import { add, adoptJobs, onUpload } from "../uploads.js";
import { bringBack, firstInSight, goFrom, keep, kept } from "../visit.js";
import { failure } from "./failure.js";
import { uploadList } from "./upload_list.js";

const BATCH = 60; // books put on the page at a time, as the reader scrolls
const STILL = 200; // milliseconds without scrolling after which its place is kept; browsers allow no more often

/** The screen of "#/library". */
export async function libraryScreen() {
  let list;
  try {
    list = await books();
  } catch (error) {
    return failure(error);
  }
  adoptJobs().catch(() => undefined); // without them the books are still worth showing
  const before = kept();
  const view = new LibraryView(list, before);
  return {
    element: view.element,
    title: t.libraryTitle,
    restore: () => bringBack(view.grid, before.place),
    drop: (files) => add(files),
    destroy: () => view.destroy(),
  };
}

class LibraryView {
  /** `before`: how the reader left it, as in `keep` */
  constructor(list, before) {
    this.summary = h("p.muted.numbers", { role: "status" });
    this.search = h("input.search-field", {
      type: "search",
      "aria-label": t.searchBooks,
      placeholder: t.searchHint,
      autocomplete: "off",
      oninput: () => this.draw(),
    });
    this.search.value = before.search ?? "";
    this.order = h("select.order", { "aria-label": t.sort, onchange: () => this.changeOrder() });
    for (const [value, text] of [
      ["title", t.sortTitle],
      ["newest", t.sortNewest],
    ]) {
      append(this.order, h("option", { value, selected: value === setting("order") }, text));
    }
    this.tools = h("div.library-tools", {}, h("div.search", {}, icon("search"), this.search), this.order);
    this.problems = h("section.book-problems", { "aria-label": t.troubledBooks });
    this.grid = h("ul.book-grid");
    this.more = h("div.more", { "aria-hidden": "true" });
    this.none = h("p.none-matching.muted");
    this.uploads = uploadList();
    this.empty = h(
      "div.empty",
      {},
      icon("books"),
      h("h2", {}, t.libraryEmpty),
      h("p.muted", {}, t.libraryEmptyLead),
    );
    this.element = h(
      "div.library-screen",
      {},
      h(
        "header.screen-head",
        {},
        h("div", {}, h("h1", { tabindex: -1 }, t.libraryTitle), this.summary),
        addButton(),
      ),
      this.uploads.element,
      this.problems,
      this.tools,
      this.empty,
      this.none,
      this.grid,
      this.more,
    );
    this.watcher = new IntersectionObserver(([entry]) => entry.isIntersecting && this.showMore(), {
      rootMargin: "800px",
    });
    this.watcher.observe(this.more);
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.onScroll = () => {
      clearTimeout(this.scrolling);
      this.scrolling = setTimeout(() => this.keep(), STILL);
    };
    window.addEventListener("scroll", this.onScroll);
    this.unsubscribe = onUpload((upload) => ["done", "lost"].includes(upload?.phase) && this.reload());
    this.take(list, before.cards);
  }

  /** Keeps how it looks, for when the reader comes back. */
  keep() {
    clearTimeout(this.scrolling);
    if (!this.element.isConnected || location.hash !== "#/library") return; // a step of another screen
    keep({ search: this.search.value, cards: this.grid.children.length, place: firstInSight(this.grid) });
  }

  /** A new list of books from the server, of which no fewer are shown than before, and at the same place. */
  take(list, cards = this.grid.children.length) {
    // Where the list's head is in sight it stays there, whichever books come in before the others.
    const headGone = this.grid.getBoundingClientRect().top < 0;
    const place = headGone ? firstInSight(this.grid, list) : null;
    const fold = (text) => text.normalize("NFKC").toLocaleLowerCase();
    this.books = list.map((book) => ({ ...book, key: fold(`${book.title} ${book.path}`) }));
    this.fold = fold;
    this.drawProblems();
    this.draw(cards);
    bringBack(this.grid, place);
  }

  async reload() {
    try {
      this.take(await books());
    } catch (error) {
      notice(explain(error));
    }
  }

  changeOrder() {
    setSetting("order", this.order.value);
    this.draw();
  }

  draw(cards = 0) {
    const words = this.fold(this.search.value).split(/\s+/).filter(Boolean);
    const byTitle = new Intl.Collator(language(), { numeric: true }).compare;
    this.shown = this.books.filter((book) => words.every((word) => book.key.includes(word)));
    if (this.order.value === "newest") this.shown.sort((a, b) => b.added.localeCompare(a.added));
    else this.shown.sort((a, b) => byTitle(a.title, b.title) || byTitle(a.name, b.name));
    const pages = this.books.reduce((sum, book) => sum + book.pages, 0);
    const any = this.books.length > 0;
    this.summary.textContent = words.length
      ? t.matching(this.shown.length)
      : any
        ? t.librarySummary(this.books.length, pages)
        : "";
    this.none.textContent = t.noneMatching;
    this.none.hidden = !any || this.shown.length > 0;
    this.empty.hidden = any;
    this.tools.hidden = !any;
    fill(this.grid);
    this.showMore(Math.max(cards, BATCH));
    this.onScroll();
  }

  showMore(number = BATCH) {
    const begin = this.grid.children.length;
    append(
      this.grid,
      this.shown.slice(begin, begin + number).map((book) => this.card(book)),
    );
    // Where the page is still too short to scroll, the sentinel never moves: look at it afresh.
    this.watcher.unobserve(this.more);
    if (this.grid.children.length < this.shown.length) this.watcher.observe(this.more);
  }

  card(book) {
    const cover = h("img", { src: `${book.cover}?width=320`, alt: "", loading: "lazy", decoding: "async" });
    cover.addEventListener("error", () => fill(cover.parentNode, icon("book")));
    return h(
      "li.book",
      { "data-book": book.id },
      h(
        "a",
        { href: `#/book/${book.id}/page/1`, onclick: (event) => this.open(event) },
        h("span.cover", {}, cover),
        h("span.book-title", {}, book.title),
        fileLine(book),
        h("span.muted.small.numbers", {}, t.pages(book.pages)),
      ),
      h(
        "button.round-button",
        { type: "button", "aria-label": t.removeLabel(bookLabel(book)), onclick: () => this.remove(book) },
        icon("trash"),
      ),
    );
  }

  open(event) {
    if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.keep();
    goFrom("library", event.currentTarget.getAttribute("href"));
  }

  async remove(book) {
    const yes = await confirmDialog({
      title: t.removeTitle(bookLabel(book)),
      text: book.uploaded ? t.removeUploadedText : t.removeText,
      yes: t.remove,
      no: t.cancel,
    });
    if (!yes) return;
    try {
      await removeBook(book.id);
      notice(t.removed(bookLabel(book)));
    } catch (error) {
      notice(explain(error));
    }
    await this.reload();
    this.element.querySelector("h1").focus({ preventScroll: true }); // the button that had it is gone
  }

  /** Books with something amiss and what it is, under a heading for each kind of problem. */
  drawProblems() {
    const amiss = new Map();
    for (const book of this.books) {
      const heading = t.bookProblems[book.problem]?.heading;
      if (heading) amiss.set(heading, [...(amiss.get(heading) ?? []), book]);
    }
    this.problems.hidden = amiss.size === 0;
    const group = ([heading, books]) =>
      h(
        "details",
        {},
        h("summary", {}, icon("warning"), `${heading} (${books.length})`),
        h("ul", {}, books.map(amissBook)),
      );
    fill(this.problems, [...amiss].map(group));
  }

  key(event) {
    if (event.key !== "/" || event.target.matches("input, textarea, select") || this.tools.hidden) return;
    event.preventDefault();
    this.search.focus();
  }

  destroy() {
    this.watcher.disconnect();
    clearTimeout(this.scrolling);
    window.removeEventListener("scroll", this.onScroll);
    this.uploads.destroy();
    this.unsubscribe();
    document.removeEventListener("keydown", this.onKey);
  }
}

// Of these the page says by itself all that there is to say.
const ALL_SAID = ["missing", "changed"];

/** A book with something amiss; where its file was, if that is gone. */
const amissBook = (book) =>
  h(
    "li",
    {},
    h("strong", {}, book.title),
    book.problem === "missing" ? h("span.file-name", {}, book.path) : fileLine(book),
    h("p.small", {}, t.bookProblems[book.problem].text),
    ALL_SAID.includes(book.problem) ? null : detail(book.error),
  );

/** The button that adds books. */
const addButton = () =>
  filePicker(
    {
      label: t.addBooks,
      sign: "plus",
      looks: "button.primary",
      accept: ".pdf,.cbz,.zip,application/pdf,application/zip",
      multiple: true,
    },
    add,
  );
