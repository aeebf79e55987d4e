// The frame and the ways: which screen an address shows, the tabs, language, theme, and what comes from outside.
import { onConnection } from "./connection.js";
import { append, fill, h, icon } from "./dom.js";
import { language, setLanguage, t } from "./i18n.js";
import { forgetSpoken, notice, noticePlaces } from "./notices.js";
import { imagesOf } from "./photo.js";
import { answerScreen } from "./screens/answer.js";
import { bookScreen } from "./screens/book.js";
import { failure } from "./screens/failure.js";
import { findScreen } from "./screens/find.js";
import { historyScreen } from "./screens/history.js";
import { libraryScreen } from "./screens/library.js";
import { setSetting } from "./settings.js";

// A screen is a function of what its address names; it answers {element, title, arrived?, restore?, destroy?, drop?}.
const WAYS = [
  [/^\/$/, "find", findScreen],
  [/^\/answer\/([\w-]+)$/, "history", answerScreen],
  [/^\/book\/(\d+)\/page\/(\d+)$/, "library", bookScreen],
  [/^\/history$/, "history", historyScreen],
  [/^\/library$/, "library", libraryScreen],
];
const TABS = [
  ["find", "#/", "camera", "tabFind"],
  ["history", "#/history", "history", "tabHistory"],
  ["library", "#/library", "books", "tabLibrary"],
];

const main = h("main", { id: "main", tabindex: -1 });
const bar = h("header.bar");
const skip = h("a.skip", { href: "#main", onclick: skipToMain });
const offline = h("div.offline", { role: "alert", hidden: true });
const dropHint = h("div.drop-hint", { hidden: true, "aria-hidden": "true" });

let screen = null;
let drawn = 0; // counts the screens that were asked for, so that a slow one cannot replace a later one

/** Shows the screen that the address names. */
async function show({ focus = true } = {}) {
  const path = location.hash.slice(1) || "/";
  const way = WAYS.find(([pattern]) => pattern.test(path)) ?? WAYS[0];
  const turn = ++drawn;
  forgetSpoken();
  const parts = (way[0].exec(path) ?? []).slice(1).map(asNumber);
  let next;
  try {
    next = await way[2](...parts);
  } catch (error) {
    next = failure(error);
  }
  if (turn !== drawn) {
    next.destroy?.();
    return;
  }
  screen?.destroy?.();
  screen = next;
  fill(main, next.element);
  next.arrived?.();
  drawFrame(way[1]);
  document.title = next.title ? `${next.title} · whichpage` : "whichpage";
  window.scrollTo(0, 0);
  next.restore?.();
  if (focus) main.querySelector("h1")?.focus({ preventScroll: true });
}

const asNumber = (text) => (/^\d+$/.test(text) ? Number(text) : text);

function drawFrame(tab) {
  skip.textContent = t.skip;
  dropHint.textContent = tab === "library" ? t.dropBooks : t.dropHere;
  fill(offline, icon("offline"), t.offline);
  const link = ([name, href, sign, key]) =>
    h(
      "li",
      {},
      h("a", { href, "aria-current": name === tab ? "page" : null }, icon(sign), h("span", {}, t[key])),
    );
  fill(
    bar,
    h(
      "a.brand",
      { href: "#/" },
      h("img", { src: "icons/icon.svg", alt: "", width: 28, height: 28 }),
      "whichpage",
    ),
    h("nav.tabs", { "aria-label": t.navigation }, h("ul", {}, TABS.map(link))),
    h(
      "button.language",
      { type: "button", lang: language() === "en" ? "ja" : "en", onclick: changeLanguage },
      t.otherLanguage,
    ),
    h(
      "button.round-button",
      { type: "button", "aria-label": isDark() ? t.themeToLight : t.themeToDark, onclick: changeTheme },
      icon(isDark() ? "sun" : "moon"),
    ),
  );
  bar.dataset.tab = tab;
}

function skipToMain(event) {
  event.preventDefault(); // the hash is the screens'
  main.focus();
}

async function changeLanguage() {
  setLanguage(language() === "en" ? "ja" : "en");
  await show({ focus: false });
  bar.querySelector(".language").focus();
}

const darkSystem = window.matchMedia("(prefers-color-scheme: dark)");
const isDark = () =>
  (document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light")) === "dark";

function changeTheme() {
  const theme = isDark() ? "light" : "dark";
  document.documentElement.dataset.theme = theme;
  setSetting("theme", theme);
  drawFrame(bar.dataset.tab);
  bar.querySelector(".round-button").focus();
}

/** Photos that are dropped or pasted anywhere are looked up; books dropped on the library are added. */
function listenToTransfers() {
  let inside = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  window.addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    inside++;
    dropHint.hidden = false;
  });
  window.addEventListener("dragleave", (event) => {
    if (carriesFiles(event) && --inside <= 0) dropHint.hidden = true;
  });
  window.addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  window.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    inside = 0;
    dropHint.hidden = true;
    if (screen?.drop) screen.drop([...event.dataTransfer.files]);
    else dropPhotos(event.dataTransfer);
  });
  document.addEventListener("paste", (event) => {
    const photos = imagesOf(event.clipboardData);
    if (!photos.length) return;
    event.preventDefault();
    lookUp(photos);
  });
}

async function dropPhotos(transfer) {
  const photos = imagesOf(transfer);
  const others = photos.length < transfer.files.length;
  await lookUp(photos);
  if (others) notice(t.dropNoPhotos);
}

/** Looks photos up on the finding screen, whichever screen is shown. */
async function lookUp(photos) {
  if (!photos.length) return;
  if (!screen?.lookUp) {
    history.pushState(null, "", "#/");
    await show();
  }
  screen.lookUp(photos);
}

append(document.body, skip, bar, offline, main, ...noticePlaces(), dropHint);
window.addEventListener("hashchange", () => show());
darkSystem.addEventListener("change", () => drawFrame(bar.dataset.tab));
onConnection((reached) => {
  offline.hidden = reached;
  if (reached) notice(t.online);
});
listenToTransfers();
await show({ focus: false });

// Without TLS, or with a certificate that the browser does not trust, there are no service workers; it works without.
navigator.serviceWorker?.register("sw.js").catch(() => undefined);
