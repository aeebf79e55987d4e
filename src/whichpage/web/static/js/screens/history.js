// What was looked up on this device: to go back to, to export, to clear.
import { verified } from "../asking.js";
import { booksOf, fileLine, shortName } from "../books.js";
import { csv } from "../csv.js";
import { confirmDialog, fill, h, icon, showBlob } from "../dom.js";
import { certainty, explain, language, t } from "../i18n.js";
import { notice } from "../notices.js";
import { pageLink } from "../reader.js";
import { all, clear, forget } from "../store.js";

/** The screen of "#/history". */
export async function historyScreen() {
  const element = h("div.history-screen");
  await draw(element);
  return { element, title: t.historyTitle };
}

async function draw(element) {
  const entries = await all();
  if (!entries.length) {
    fill(
      element,
      h(
        "div.empty",
        {},
        icon("history"),
        h("h1", { tabindex: -1 }, t.historyTitle),
        h("p.muted", {}, t.historyEmpty),
        h("a.button.primary", { href: "#/" }, icon("camera"), t.tabFind),
      ),
    );
    return;
  }
  const clearAll = async () => {
    if (!(await confirmDialog({ title: t.clearTitle, text: t.clearText, yes: t.clear, no: t.cancel })))
      return;
    await changed(clear, element);
  };
  fill(
    element,
    h(
      "header.screen-head",
      {},
      h("h1", { tabindex: -1 }, t.historyTitle),
      h(
        "div.head-buttons",
        {},
        h(
          "button.button",
          { type: "button", onclick: () => download(entries) },
          icon("download"),
          t.exportCsv,
        ),
        h("button.button.quiet", { type: "button", onclick: clearAll }, icon("trash"), t.clear),
      ),
    ),
    byDay(entries).map(([day, list]) =>
      h(
        "section.history-day",
        { "aria-label": day },
        h("h2", {}, day),
        h(
          "ol.history-list",
          {},
          list.map((entry) => row(entry, () => changed(() => forget(entry.id), element))),
        ),
      ),
    ),
  );
}

/** Changes the history and shows it anew. */
async function changed(change, element) {
  try {
    await change();
    await draw(element);
  } catch (error) {
    notice(explain(error));
  }
}

function row(entry, remove) {
  const [first, ...more] = verified(entry.answer);
  const time = new Date(entry.at).toLocaleTimeString(language(), { hour: "2-digit", minute: "2-digit" });
  const thumbnail = entry.thumbnail ? showBlob(h("img", { alt: "" }), entry.thumbnail) : icon("picture");
  return h(
    "li",
    {},
    h(
      "a",
      { href: `#/answer/${entry.id}` },
      h("span.history-thumbnail", {}, thumbnail),
      h(
        "span.history-words",
        {},
        h("strong", {}, first ? [first, ...more].map((match) => t.page(match.page)).join(" · ") : t.notFound),
        first ? bookLines(booksOf([first, ...more])) : h("span", {}, entry.name),
        h(
          "span.muted.small",
          {},
          [time, first && certainty(first.confidence).words].filter(Boolean).join(" · "),
        ),
      ),
    ),
    h(
      "button.round-button",
      { type: "button", "aria-label": t.forget(entry.name), onclick: remove },
      icon("close"),
    ),
  );
}

/** The books that were found: of one all that names it, of several a line each. */
function bookLines(books) {
  if (books.length > 1) return books.map((book) => h("span.history-book", {}, shortName(book, books)));
  return [h("span", {}, books[0].title), fileLine(books[0])];
}

/** The entries in groups of a day each, with the day's name. */
function byDay(entries) {
  const days = new Map();
  for (const entry of entries) {
    const name = dayName(entry.at);
    days.set(name, [...(days.get(name) ?? []), entry]);
  }
  return [...days];
}

function dayName(at) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  if (at >= midnight) return t.today;
  if (at >= midnight - 86_400_000) return t.yesterday;
  return new Date(at).toLocaleDateString(language(), { year: "numeric", month: "long", day: "numeric" });
}

function download(entries) {
  const text = csv(entries, t.csvColumns, pageLink);
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv;charset=utf-8" }));
  const day = new Date().toLocaleDateString("sv");
  h("a", { href: url, download: `whichpage-${day}.csv` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
