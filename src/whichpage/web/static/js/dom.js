// Elements without a framework: `h("p.muted", {}, "text")`, icons, and two small questions to the browser.

/**
 * An element.
 * @param {string} what tag and classes, as in "button.button.primary"
 * @param {object} given attributes; `on...` functions become listeners, false and null leave one out
 * @param {...(Node|string|null|false|Array)} children
 */
export function h(what, given = {}, ...children) {
  const [tag, ...classes] = what.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(given)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, ...children);
  return element;
}

// The browser's own `append` writes what is null as the word "null": children come in through these two alone.
const real = (children) =>
  children.flat().filter((child) => child !== null && child !== undefined && child !== false);

/** Puts children at an element's end; null, undefined and false leave one out. */
export const append = (element, ...children) => element.append(...real(children));

/** Puts children in the place of those that an element has; null, undefined and false leave one out. */
export function fill(element, ...children) {
  const wanted = real(children);
  const there = element.childNodes;
  // Taken out and put back, a child would lose the keyboard's focus.
  if (wanted.length === there.length && wanted.every((child, place) => child === there[place])) return;
  element.replaceChildren(...wanted);
}

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element. */
export function s(tag, given = {}, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(given)) element.setAttribute(name, value);
  append(element, ...children);
  return element;
}

// Drawn on a grid of 24, in strokes.
const ICONS = {
  camera:
    "M4 8.5A1.5 1.5 0 0 1 5.5 7h2.2l1.3-2.2h6L16.3 7h2.2A1.5 1.5 0 0 1 20 8.5v8.5a1.5 1.5 0 0 1-1.5 1.5h-13A1.5 1.5 0 0 1 4 17zM12 15.8a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4z",
  picture:
    "M5.5 4.5h13a1 1 0 0 1 1 1v13a1 1 0 0 1-1 1h-13a1 1 0 0 1-1-1v-13a1 1 0 0 1 1-1zM4.8 16.5l4.2-4.5 3.5 3.5 2-2 4.7 4.5M15 9.3v.01",
  history: "M4.5 12a7.5 7.5 0 1 0 2.4-5.5L4.5 8.5M4.5 4.5v4h4M12 8v4.3l2.8 1.7",
  books: "M5 4.5h3.5v15H5zM8.5 7H12v12.5H8.5zM13 7.6l3.4-.9 3.3 12.2-3.4.9z",
  book: "M12 6.5C10.2 5.2 7.5 4.8 4.5 5v13c3-.2 5.7.2 7.5 1.5 1.8-1.3 4.5-1.7 7.5-1.5V5c-3-.2-5.7.2-7.5 1.5zM12 6.5v13",
  link: "M10 14a3.5 3.5 0 0 0 5 0l3-3a3.54 3.54 0 0 0-5-5l-1 1M14 10a3.5 3.5 0 0 0-5 0l-3 3a3.54 3.54 0 0 0 5 5l1-1",
  open: "M13.5 4.5h6v6M19.5 4.5l-8.5 8.5M17.5 14v4a1.5 1.5 0 0 1-1.5 1.5H6A1.5 1.5 0 0 1 4.5 18V8A1.5 1.5 0 0 1 6 6.5h4",
  copy: "M9 8.5h9.5v11H9zM6 15.5H5.5v-11H15V5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  close: "M6 6l12 12M18 6L6 18",
  left: "M14.5 5.5L8 12l6.5 6.5",
  right: "M9.5 5.5L16 12l-6.5 6.5",
  plus: "M12 5v14M5 12h14",
  search: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3L20 20",
  download: "M12 4.5v10M7.5 10.5L12 15l4.5-4.5M5 19.5h14",
  trash: "M5 7h14M9.5 7V4.5h5V7M6.5 7l.8 12.5h9.4L17.5 7M10.3 10.5v5.5M13.7 10.5v5.5",
  warning: "M12 4.5l8.5 15h-17zM12 10.5v4M12 17v.01",
  auto: "M4.5 9V6A1.5 1.5 0 0 1 6 4.5h3M15 4.5h3A1.5 1.5 0 0 1 19.5 6v3M19.5 15v3a1.5 1.5 0 0 1-1.5 1.5h-3M9 19.5H6A1.5 1.5 0 0 1 4.5 18v-3M9.3 15.5l2.7-7 2.7 7M10.3 13.2h3.4",
  torch: "M13 3.5L6.5 13.5H12l-1 7 6.5-10H12z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3.5v1.5M12 19v1.5M3.5 12H5M19 12h1.5M6 6l1 1M17 17l1 1M18 6l-1 1M7 17l-1 1",
  moon: "M19 14.5A7.5 7.5 0 0 1 9.5 5a7.5 7.5 0 1 0 9.5 9.5z",
  closer: "M9 4.5H4.5V9M15 4.5h4.5V9M9 19.5H4.5V15M15 19.5h4.5V15M9 9h6v6H9z",
  tilt: "M6 7.5L18 5v14L6 16.5zM3 5v14",
  turn: "M18.5 9A7.5 7.5 0 1 0 19.5 13M19.5 4.5V9H15",
  zoom: "M10.5 17a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM15.3 15.3L20 20M10.5 8v5M8 10.5h5",
  offline:
    "M4.5 4.5l15 15M8.5 15.5a5 5 0 0 1 5.5-1M5.5 12.5a9 9 0 0 1 4-2.3M13.5 10a9 9 0 0 1 5 2.5M12 18.5v.01",
};

/** A decorative icon; what stands beside it, or the button's label, says what it means. */
export function icon(name) {
  return s(
    "svg",
    { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    s("path", { d: ICONS[name] }),
  );
}

const urls = new Map(); // of the images that show a blob

/** Shows a blob in an image and returns the image; its address is freed once the image is off the page. */
export function showBlob(image, blob) {
  for (const [old, url] of urls) {
    if (old.isConnected || old === image || !old.complete) continue;
    URL.revokeObjectURL(url);
    urls.delete(old);
  }
  if (urls.has(image)) URL.revokeObjectURL(urls.get(image));
  image.src = URL.createObjectURL(blob);
  urls.set(image, image.src);
  return image;
}

/** Asks yes or no in a modal dialog; resolves to whether it was yes. */
export function confirmDialog({ title, text, yes, no }) {
  return new Promise((resolve) => {
    const dialog = h(
      "dialog",
      { "aria-labelledby": "confirm-title", "aria-describedby": "confirm-text" },
      h("h2", { id: "confirm-title" }, title),
      h("p.muted", { id: "confirm-text" }, text),
      h(
        "form.dialog-buttons",
        { method: "dialog" },
        h("button.button", { value: "no", autofocus: true }, no),
        h("button.button.danger", { value: "yes" }, yes),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    append(document.body, dialog);
    dialog.showModal();
  });
}
