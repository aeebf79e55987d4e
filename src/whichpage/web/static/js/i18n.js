// The page's language: chosen by the reader, else the browser's; `t` holds the strings of the one in use.
import { Unreachable } from "./api.js";
import en from "./lang/en.js";
import ja from "./lang/ja.js";
import { setSetting } from "./settings.js";

const LANGUAGES = { en, ja };

export const language = () => (document.documentElement.lang === "ja" ? "ja" : "en");

/** The strings of the language in use. */
export const t = new Proxy({}, { get: (_, key) => LANGUAGES[language()][key] });

/** Changes the language for good; whoever shows text draws it anew. */
export function setLanguage(tag) {
  document.documentElement.lang = tag;
  setSetting("language", tag);
}

/** What is wrong, for people, from an error of `api.js`. */
export function explain(error) {
  if (error instanceof Unreachable) return t.offline;
  if (error.status === undefined) return error.message;
  return t.problems[error.kind] ?? t.errors[error.status] ?? t.errors.other;
}

// Of these the page says by itself all that there is to say.
const ALL_SAID = new Set([401, 404, 408, 503]);

/** The server's own sentence beside it, in English; null where it would say no more. */
export const detailOf = (error) =>
  ALL_SAID.has(error.status) || t.problems[error.kind] ? null : (error.detail ?? null);

const FAIR = 0.95;
const SURE = 0.99;

/** A confidence in words, with the number; rounding never makes it certain. */
export function certainty(confidence) {
  const words =
    confidence >= SURE ? t.certainty.sure : confidence >= FAIR ? t.certainty.high : t.certainty.fair;
  const percent = Math.floor(confidence * 1000) / 10;
  return { words, number: confidence > 0.999 ? t.almost : t.probability(percent.toLocaleString(language())) };
}
