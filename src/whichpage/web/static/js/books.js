// How a book is named: by its title, and by its file where that says more. Titles may be shared by many books.
import { h } from "./dom.js";

const same = (one, other) => one.normalize() === other.normalize();

/**
 * The name of a book's file; null where it is the title, with an ending or without.
 * @param {{title: string, name?: string}} book answers that an older version kept lack the name
 */
export function fileName({ title, name }) {
  if (!name || same(name, title) || same(name.replace(/\.[^.]*$/, ""), title)) return null;
  return name;
}

/** The file's name in small letters, to stand below the title; null where it says no more. */
export function fileLine(book) {
  const name = fileName(book);
  return name && h("span.file-name", { title: name }, name);
}

/** Title and file's name in one line. */
export function bookLabel(book) {
  const name = fileName(book);
  return name ? `${book.title} (${name})` : book.title;
}

/** The books of some matches, each once. */
export const booksOf = (matches) => [...new Map(matches.map(({ book }) => [book.id, book])).values()];

/** What tells a book from some others in a few words: the title, or the file where another has this title. */
export function shortName(book, books) {
  const shared = books.some((other) => other.id !== book.id && other.title === book.title);
  return (shared && fileName(book)) || book.title;
}
