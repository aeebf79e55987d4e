// The history as a table for spreadsheets.
import { verified } from "./asking.js";

/**
 * Entries as CSV (RFC 4180), a row a verified page, or one row for a photo of none.
 * @param {object[]} entries as `store.js` keeps them
 * @param {string[]} columns the heading
 * @param {(book: number, page: number) => string} link
 */
export function csv(entries, columns, link) {
  const rows = entries.flatMap((entry) => {
    const head = [new Date(entry.at).toISOString(), entry.name, entry.answer.status];
    const pages = verified(entry.answer);
    if (!pages.length) return [[...head, "", "", "", "", ""]];
    return pages.map((match) => [
      ...head,
      match.book.title,
      match.page,
      match.confidence,
      match.source,
      link(match.book.id, match.page),
    ]);
  });
  // The mark at the start tells Excel that this is UTF-8.
  return `\ufeff${[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`;
}

/** A cell: quoted where it must be, and never a formula to the spreadsheet that opens it. */
function cell(value) {
  let text = String(value);
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
