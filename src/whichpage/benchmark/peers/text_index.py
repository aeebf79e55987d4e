"""Full text of pages (SQLite FTS5, trigrams), and votes of the pieces of text that OCR reads off a photo."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from whichpage.printed import normalise
from whichpage.textmatch import pieces

# A piece found on more pages than this says nothing.
_MOST_PAGES = 50


class TextIndex:
    """The text of pages, to be searched for pieces of it."""

    def __init__(self, file: Path) -> None:
        self._database = sqlite3.connect(file)

    @classmethod
    def build(cls, file: Path, pages: Iterable[tuple[int, str]]) -> None:
        """Writes the index of (page id, text) to a new file."""
        database = sqlite3.connect(file)
        try:
            with database:
                # Contentless: the text itself is not needed again.
                database.execute(
                    "CREATE VIRTUAL TABLE page USING fts5(text, tokenize='trigram', content='', columnsize=0)"
                )
                database.executemany(
                    "INSERT INTO page (rowid, text) VALUES (?, ?)",
                    ((number, normalise(text)) for number, text in pages),
                )
            with database:
                database.execute("INSERT INTO page (page) VALUES ('optimize')")
            database.execute("VACUUM")
        finally:
            database.close()

    def votes(self, lines: Sequence[str]) -> list[tuple[int, float]]:
        """(page id, votes) of the pages that the most pieces of the lines are on, best first.

        Each piece has one vote, shared by the pages that it is on.
        """
        wanted = {piece for line in lines for piece in pieces(normalise(line))}
        votes: dict[int, float] = {}
        for piece in sorted(wanted):
            rows = self._database.execute(
                "SELECT rowid FROM page WHERE page MATCH ? LIMIT ?", (f'"{piece}"', _MOST_PAGES + 1)
            ).fetchall()
            if len(rows) <= _MOST_PAGES:
                for (number,) in rows:
                    votes[number] = votes.get(number, 0.0) + 1 / len(rows)
        return sorted(votes.items(), key=lambda one: (-one[1], one[0]))

    def close(self) -> None:
        self._database.close()
