// The answer to one photo of the history: the book, the page, how sure, the outline; or that there is none.
import { verified } from "../asking.js";
import { pageImage } from "../api.js";
import { booksOf, fileLine, shortName } from "../books.js";
import { fill, h, icon, s, showBlob } from "../dom.js";
import { enlarged } from "../enlarged.js";
import { certainty, t } from "../i18n.js";
import { Reader } from "../reader.js";
import { get } from "../store.js";
import { failure } from "./failure.js";

/** The screen of "#/answer/ID". */
export async function answerScreen(id) {
  const entry = await get(String(id));
  if (!entry) return failure(null, t.errors[404]);
  return verified(entry.answer).length ? foundScreen(entry) : notFoundScreen(entry);
}

function foundScreen(entry) {
  const matches = verified(entry.answer);
  const head = h("header.answer-head");
  const photo = photoFigure(entry, matches);
  const place = h("div.answer-reader");
  let reader = null;
  const choose = (index) => {
    const match = matches[index];
    reader?.destroy();
    reader = new Reader({ ...match.book, file: match.file?.split("#")[0] ?? null }, match.page);
    fill(place, reader.element);
    fill(head, headParts(match));
    photo.choose(index);
    for (const [number, tab] of tabs.entries()) tab.setAttribute("aria-pressed", String(number === index));
  };
  const books = booksOf(matches);
  const tab = (match, index) =>
    matchTab(match, index, {
      book: books.length > 1 ? shortName(match.book, books) : null,
      onclick: () => choose(index),
    });
  const tabs = matches.length > 1 ? matches.map(tab) : [];
  const element = h(
    "article.answer",
    {},
    h(
      "div.answer-side",
      {},
      head,
      tabs.length ? h("div.match-tabs", { role: "group", "aria-label": t.matchesLabel }, tabs) : null,
      photo.element,
      h("a.button.next-photo", { href: "#/" }, icon("camera"), t.nextPhoto),
    ),
    place,
  );
  choose(0);
  const title = `${t.page(matches[0].page)} · ${matches[0].book.title}`;
  return { element, title, destroy: () => reader.destroy() };
}

function headParts(match) {
  const { words, number } = certainty(match.confidence);
  return [
    h("p.answer-book", { title: match.book.title }, match.book.title),
    fileLine(match.book),
    h(
      "h1.answer-page",
      { tabindex: -1 },
      t.pageBefore ? h("small", {}, `${t.pageBefore} `) : null,
      h("span.numbers", {}, String(match.page)),
      t.pageAfter ? h("small", {}, t.pageAfter) : null,
    ),
    match.image_name ? h("p.file-name", { title: match.image_name }, match.image_name) : null,
    h(
      "p.answer-certainty",
      {},
      h("span.certainty", {}, icon("check"), words),
      h("span.muted.numbers", {}, number),
    ),
  ];
}

/** A page among several; `book` names its book where they are of more than one. */
function matchTab(match, index, { book, onclick }) {
  return h(
    "button.match-tab",
    { type: "button", "data-place": index, onclick },
    h("span.dot", { "aria-hidden": "true" }),
    h(
      "span.match-words",
      {},
      h("span", {}, t.page(match.page)),
      book && [" ", h("span.match-book", {}, book)],
    ),
  );
}

/** The photo with the outlines of its pages; the chosen one stands out. */
function photoFigure(entry, matches) {
  const { width, height } = entry.answer;
  const image = entry.photo
    ? showBlob(
        h("img", {
          alt: matches.length ? t.photoAlt(matches.map((match) => match.page).join(", ")) : t.photoAltNothing,
        }),
        entry.photo,
      )
    : null;
  const outlines = matches.map((match, index) => outline(match.quad, index, Math.max(width, height)));
  const overlay = s(
    "svg",
    { class: "outline", viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
    ...outlines,
  );
  const frame = h("div.photo-frame", {}, image, overlay);
  // The photo's shape is known from the answer, so its place is kept before it is drawn.
  frame.style.aspectRatio = `${width} / ${height}`;
  frame.style.setProperty("--shape", width / height);
  const choose = (chosen) => {
    for (const [index, one] of outlines.entries()) one.classList.toggle("chosen", index === chosen);
  };
  const enlarge = () => enlarged(h("div.enlarged-photo", {}, frame.cloneNode(true)), t.yourPhoto);
  const element = h(
    "figure.photo",
    {},
    entry.photo
      ? h(
          "button.photo-button",
          { type: "button", "aria-label": `${t.yourPhoto}: ${t.zoom}`, onclick: enlarge },
          frame,
        )
      : [
          matches.length ? frame : null,
          h(
            "figcaption.photo-gone",
            {},
            h("p", {}, t.photoGone),
            matches.length ? h("p", {}, t.photoGoneOutline) : null,
          ),
        ],
  );
  return { element, choose };
}

/** A page's four sides, and a dot at its own top left corner, which tells which way up it lies. */
function outline(quad, index, longSide) {
  const points = quad.map(([x, y]) => `${x},${y}`).join(" ");
  const [[x, y]] = quad;
  return s(
    "g",
    { class: "page-outline", "data-place": index },
    s("polygon", { class: "halo", points }),
    s("polygon", { class: "line", points }),
    s("circle", { cx: x, cy: y, r: longSide / 80 }),
  );
}

function notFoundScreen(entry) {
  const near = entry.answer.matches.filter((match) => !match.verified);
  const tip = ({ icon: sign, title, text }) =>
    h("li", {}, icon(sign), h("div", {}, h("h2", {}, title), h("p.muted", {}, text)));
  const element = h(
    "article.answer.nothing",
    {},
    h(
      "div.answer-side",
      {},
      h(
        "header.answer-head",
        {},
        h("h1", { tabindex: -1 }, t.notFound),
        h("p.lead.muted", {}, t.notFoundLead),
      ),
      photoFigure(entry, []).element,
    ),
    h(
      "div.answer-advice",
      {},
      h("ul.tips", {}, t.tips.map(tip)),
      h("a.button.primary.big", { href: "#/" }, icon("camera"), t.tryAnother),
      near.length
        ? h("details.nearest", {}, h("summary", {}, t.nearest), h("ul.nearest-pages", {}, near.map(nearPage)))
        : null,
    ),
  );
  return { element, title: t.notFound };
}

function nearPage(match) {
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/book/${match.book.id}/page/${match.page}` },
      h("img", { src: pageImage(match.book.id, match.page, 120), alt: "", loading: "lazy" }),
      h("span", {}, match.book.title),
      fileLine(match.book),
      h("span.muted.numbers", {}, t.page(match.page)),
    ),
  );
}
