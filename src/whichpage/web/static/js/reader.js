// A book to leaf through: page by page with buttons, arrow keys, a slider or a swipe; its PDF, link and text.
import { book as askFor, pageImage, pageText, pause, picture, Unreachable } from "./api.js";
import { copy } from "./clipboard.js";
import { reachable } from "./connection.js";
import { detail } from "./detail.js";
import { append, fill, h, icon, showBlob } from "./dom.js";
import { enlarged } from "./enlarged.js";
import { detailOf, explain, t } from "./i18n.js";
import { speak } from "./notices.js";

const SETTLED = 250; // milliseconds a page must stay before its text is fetched
const TURN = 260; // milliseconds of the movement, as in reader.css
const FAR = 0.18; // of the width: a swipe this long turns the page
const ZOOMED = 1.05; // pinched so far, a drag is to look around and not to turn the page

const zoomed = () => (window.visualViewport?.scale ?? 1) > ZOOMED;

const removed = (error) => error.kind === "book-not-found";

/** The address that opens the page at a page of a book. */
export const pageLink = (book, page) => `${location.origin}${location.pathname}#/book/${book}/page/${page}`;

export class Reader {
  /**
   * @param {{id: number, title: string, pages: number, file: string|null, missing?: boolean, problem?: string|null}}
   *   book `file` without a fragment
   * @param {number} page the page to begin with
   * @param {{onPage?: (page: number) => void, fresh?: boolean}} how `onPage` is called when another page is shown;
   *   `fresh`: the book is as the server knows it now, and not as an answer of some time ago has it
   */
  constructor(book, page, { onPage = () => undefined, fresh = false } = {}) {
    this.book = book;
    this.home = page;
    this.said = page; // the page that a screen reader has heard of last
    this.onPage = onPage;
    this.build();
    this.onKey = (event) => this.key(event);
    document.addEventListener("keydown", this.onKey);
    this.onZoom = () => this.stage.classList.toggle("zoomed", zoomed());
    window.visualViewport?.addEventListener("resize", this.onZoom);
    this.onZoom();
    this.show(page);
    this.asked = fresh ? Promise.resolve(book) : null;
    this.look();
  }

  build() {
    const nav = (label, sign, step) =>
      h(
        "button.round-button",
        { type: "button", "aria-label": label, onclick: () => this.turn(step) },
        icon(sign),
      );
    this.backward = nav(t.previous, "left", -1);
    this.forward = nav(t.next, "right", 1);
    this.label = h("span.reader-label.numbers");
    this.slider = h("input.slider", {
      type: "range",
      min: 1,
      max: this.book.pages,
      "aria-label": t.goTo,
      oninput: () => fill(this.label, t.pageOf(Number(this.slider.value), this.book.pages)),
      onchange: () => this.show(Number(this.slider.value)),
    });
    this.track = h("div.track");
    this.stage = h("div.stage", {}, this.track);
    this.swipe();
    this.zoom = h(
      "button.round-button.zoom",
      { type: "button", "aria-label": t.zoom, onclick: () => this.enlarge() },
      icon("zoom"),
    );
    this.homeward = h(
      "button.button.small-button",
      { type: "button", onclick: () => this.show(this.home) },
      t.backToFound(this.home),
    );
    this.open = h("a.button.primary", { target: "_blank", rel: "noopener" });
    this.note = h("p.reader-note", { role: "status" });
    this.actions = h("div.reader-actions");
    this.link = h(
      "button.button",
      { type: "button", onclick: () => copy(pageLink(this.book.id, this.page), t.linkCopied) },
      icon("link"),
      h("span", {}, t.copyLink),
    );
    this.text = h("section.page-text", { "aria-label": t.pageText, hidden: true });
    this.element = h(
      "section.reader",
      { "aria-label": t.reader },
      h(
        "div.reader-bar",
        {},
        this.backward,
        h("div.reader-place", {}, this.label, this.slider),
        this.forward,
      ),
      this.homeward,
      this.note,
      h("div.reader-stage", {}, this.stage, this.zoom),
      this.actions,
      this.text,
    );
    this.tell(this.book);
  }

  /** Says what has become of the book's file; one that is no longer what was indexed cannot be opened. */
  tell({ missing, problem }) {
    const strayed = missing ? t.fileMissing : problem === "changed" ? t.fileChanged : "";
    if (this.note.textContent !== strayed) this.note.textContent = strayed;
    this.note.hidden = !strayed;
    fill(this.actions, this.book.file && !strayed ? this.open : null, this.link);
  }

  /** The book as the server knows it now; asked for once, and again where it could not say. */
  now() {
    this.asked ??= askFor(this.book.id).catch((error) => {
      this.asked = null;
      throw error;
    });
    return this.asked;
  }

  /** Looks what has become of the book. */
  async look() {
    try {
      this.tell(await this.now());
    } catch (error) {
      if (removed(error)) this.lose();
    }
  }

  /** The book is not in the library any more: there is nothing to leaf through. */
  lose() {
    this.destroy();
    fill(this.element, h("p.book-gone", { role: "status" }, icon("warning"), t.noSuchBook));
  }

  /** Shows a page, whatever turn is under way; the pages beside it are fetched along. */
  show(page) {
    clearTimeout(this.turning);
    this.moving = null;
    if (page === this.page) return void this.settle(0);
    this.page = Math.min(Math.max(page, 1), this.book.pages);
    this.track.classList.remove("moving");
    this.track.style.transform = "";
    // Leaves that stay are kept: their pictures must not be loaded again.
    const old = new Map([...this.track.children].map((leaf) => [Number(leaf.dataset.page), leaf]));
    const near = [this.page - 1, this.page, this.page + 1];
    fill(
      this.track,
      near.map((number) => old.get(number) ?? this.leaf(number)),
    );
    for (const leaf of this.track.children)
      leaf.toggleAttribute("inert", Number(leaf.dataset.page) !== this.page);
    this.describe();
    this.onPage(this.page);
  }

  describe() {
    const { page, book } = this;
    fill(this.label, t.pageOf(page, book.pages));
    this.slider.value = page;
    this.slider.setAttribute("aria-valuetext", t.pageOf(page, book.pages));
    const held = document.activeElement;
    this.backward.disabled = page <= 1;
    this.forward.disabled = page >= book.pages;
    this.homeward.hidden = page === this.home;
    // A button that is pressed away loses the focus, and with it the reader's place on the page.
    if (held === this.homeward ? this.homeward.hidden : held?.disabled && this.element.contains(held))
      (this.forward.disabled ? this.backward : this.forward).focus({ preventScroll: true });
    this.open.href = `${book.file}#page=${page}`;
    fill(this.open, icon("open"), h("span", {}, t.openPdf(page)));
    this.settled();
  }

  /** One page on the track; an empty place before the first and after the last. */
  leaf(number) {
    const exists = number >= 1 && number <= this.book.pages;
    const leaf = h("div.leaf", { "data-page": number });
    if (!exists) return leaf;
    const width = Math.min(window.innerWidth, 640);
    const image = h("img", {
      src: pageImage(this.book.id, number, width),
      alt: t.pageAlt(number, this.book.title),
      draggable: "false",
      decoding: "async",
      onload: () => leaf.classList.add("loaded"),
    });
    image.addEventListener("error", () => this.mend(leaf, image), { once: true });
    append(leaf, image);
    return leaf;
  }

  /** Asks for a picture that did not come: again where the server is busy or away, else why it does not. */
  async mend(leaf, image) {
    const say = (text, ...more) => fill(leaf, h("div.muted", {}, h("p", {}, text), more));
    while (leaf.isConnected) {
      try {
        await this.now(); // of a book that was removed nothing is asked for twice
        const blob = await picture(image.getAttribute("src"));
        image.addEventListener("error", () => say(t.pageUnreadable));
        return void fill(leaf, showBlob(image, blob));
      } catch (error) {
        if (removed(error)) {
          return this.lose();
        } else if (error instanceof Unreachable) {
          say(t.offline);
          await reachable();
        } else if (error.status === 503) {
          say(t.busyWait(error.retryAfter));
          await pause(error.retryAfter);
        } else return void say(t.pageUnreadable, h("p", {}, explain(error)), detail(detailOf(error)));
      }
    }
  }

  /** Turns to the next (1) or previous (-1) page, with the movement of a page being pushed aside. */
  turn(step) {
    if (this.moving) this.show(this.moving); // a turn that was under way is done at once
    const target = this.page + step;
    if (target < 1 || target > this.book.pages) return this.settle(0);
    this.moving = target;
    this.settle(-step);
    const still = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.turning = setTimeout(() => this.show(target), still ? 0 : TURN);
  }

  settle(places) {
    this.track.classList.add("moving");
    this.track.style.transform = `translateX(${places * 100}%)`;
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    if (document.querySelector("dialog[open]") || event.target.matches("input, textarea, select, summary"))
      return;
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    event.preventDefault();
    this.turn(event.key === "ArrowRight" ? 1 : -1);
  }

  swipe() {
    let from = null;
    const done = (event) => {
      if (from === null) return;
      const moved = (event.clientX - from) / this.stage.clientWidth;
      from = null;
      if (Math.abs(moved) > FAR) this.turn(moved < 0 ? 1 : -1);
      else this.settle(0);
    };
    this.stage.addEventListener("pointerdown", (event) => {
      if (!event.isPrimary || event.button !== 0 || this.moving || zoomed()) return;
      from = event.clientX;
      this.track.classList.remove("moving");
    });
    this.stage.addEventListener("pointermove", (event) => {
      if (from === null || !event.isPrimary) return;
      if (Math.abs(event.clientX - from) > 6) this.stage.setPointerCapture(event.pointerId);
      this.track.style.transform = `translateX(${event.clientX - from}px)`;
    });
    this.stage.addEventListener("pointerup", done);
    this.stage.addEventListener("pointercancel", () => {
      from = null;
      this.settle(0);
    });
  }

  /** The page as large as it can be read, to be scrolled and pinched. */
  enlarge() {
    const label = t.pageAlt(this.page, this.book.title);
    enlarged(h("img", { src: pageImage(this.book.id, this.page, 1920), alt: label }), label);
  }

  /** Once the reader stays on a page, it is read out which one it is, and its text is fetched. */
  settled() {
    this.fetching?.abort();
    this.fetching = new AbortController();
    clearTimeout(this.settling);
    this.settling = setTimeout(() => {
      // The slider says by itself where it is, and the screen which page it begins with.
      if (this.said !== this.page && document.activeElement !== this.slider)
        speak(t.pageOf(this.page, this.book.pages));
      this.said = this.page;
      this.fetchText(this.page, this.fetching.signal);
    }, SETTLED);
  }

  /** The page's text; nothing where the file has none. */
  async fetchText(page, signal) {
    const text = await pageText(this.book.id, page, signal).catch(() => null);
    if (!signal.aborted) this.showText(text);
  }

  showText(text) {
    this.text.hidden = !text?.trim();
    if (this.text.hidden) return;
    const open = this.text.querySelector("details")?.open ?? false;
    const japanese = /[\u3040-\u30ff\u3400-\u9fff]/.test(text);
    fill(
      this.text,
      h(
        "details",
        { open },
        h("summary", {}, t.pageText),
        h("p.page-words", { tabindex: 0, lang: japanese ? "ja" : null }, text),
        h(
          "button.button",
          { type: "button", onclick: () => copy(text, t.textCopied) },
          icon("copy"),
          t.copyText,
        ),
      ),
    );
  }

  destroy() {
    document.removeEventListener("keydown", this.onKey);
    window.visualViewport?.removeEventListener("resize", this.onZoom);
    clearTimeout(this.settling);
    clearTimeout(this.turning);
    this.fetching?.abort();
  }
}
