// What only the server knows of a problem: its own sentence, which is English, marked as a detail.
import { h } from "./dom.js";
import { t } from "./i18n.js";

/** The sentence as a small line, to stand below what the page says itself; null without one. */
export const detail = (text) =>
  text ? h("p.detail", {}, `${t.detail} `, h("span", { lang: "en" }, text)) : null;
