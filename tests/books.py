"""Makes small books of every kind, the same for the same numbers, no two pages alike."""

from __future__ import annotations

import io
import os
import random
import sqlite3
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TINY_MODEL = Path(__file__).parent / "tiny.onnx"


def pdf_bytes(
    pages: int, *, seed: int = 0, blank: Sequence[int] = (), title: str = "", encrypted: bool = False
) -> bytes:
    """A PDF of A5 pages with 40 black bars each, the pages `blank` (1-based) empty.

    title: as in the file, `\\` and all.
    """
    kids = " ".join(f"{3 + 2 * page} 0 R" for page in range(pages))
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Count {pages}/Kids[{kids}]>>".encode()]
    for page in range(pages):
        bars = "" if page + 1 in blank else _bars(random.Random(f"{seed} {page}"))
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 420 595]/Contents {4 + 2 * page} 0 R>>".encode()
        )
        objects.append(f"<</Length {len(bars)}>>stream\n{bars}\nendstream".encode())
    objects.append(f"<</Title({title})>>".encode())
    body = b"%PDF-1.4\n"
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    lock = f"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<{'11' * 32}>/U<{'22' * 32}>>>/ID[<00><00>]"
    size = len(objects)
    root = f"/Size {size + 1}/Root 1 0 R/Info {size} 0 R{lock if encrypted else ''}"
    head = f"xref\n0 {size + 1}\n0000000000 65535 f \n".encode()
    tail = f"trailer<<{root}>>\nstartxref\n{len(body)}\n%%EOF".encode()
    return body + head + table + tail


def make_pdf(path: Path, pages: int, *, seed: int = 0, blank: Sequence[int] = ()) -> Path:
    """Writes `pdf_bytes`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pdf_bytes(pages, seed=seed, blank=blank))
    return path


def make_written_pdf(path: Path, drawn: str, *, page: str = "", cmap: str = "") -> Path:
    """Writes a PDF whose first page has the text operators `drawn` in the font F, Helvetica.

    page: entries of the page's dictionary; those of `pdf_bytes` give way. cmap: of the font's /ToUnicode.
    """
    font = "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding"
    font += "/ToUnicode 6 0 R>>" if cmap else ">>"
    box = "" if "/MediaBox" in page else "/MediaBox[0 0 420 595]"
    data = pdf_bytes(2, blank=[1, 2])
    for text in (f"BT {drawn} ET", cmap):
        stream = f"<</Length {len(text)} >>stream\n{text}\n".encode()
        data = data.replace(b"<</Length 0>>stream\n\n", stream, 1)
    entries = f"{box}{page}/Resources<</Font<</F{font}>>>>"
    path.write_bytes(data.replace(b"/MediaBox[0 0 420 595]", entries.encode(), 1))
    return path


def page_image(seed: int, *, height: int = 600, width: int = 420) -> NDArray[np.uint8]:
    """A page as (H, W) uint8: black bars on white, the upper left quarter grey, to tell its turn."""
    grey = np.full((height, width), 255, np.uint8)
    chance = random.Random(seed)
    for _ in range(40):
        y, x = chance.randrange(height - 8), chance.randrange(width - 40)
        grey[y : y + 8, x : x + chance.randrange(10, 40)] = 0
    grey[: height // 2, : width // 2] //= 2
    return grey


def image_bytes(seed: int, kind: str = "JPEG", **options: object) -> bytes:
    """`page_image` as an image file."""
    out = io.BytesIO()
    Image.fromarray(page_image(seed)).save(out, kind, **options)
    return out.getvalue()


def make_archive(path: Path, names: Sequence[str]) -> Path:
    """An archive with a page of its own under each name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for seed, name in enumerate(names):
            archive.writestr(name, image_bytes(seed))
    return path


def contents(library: Path) -> dict[str, tuple[object, ...]]:
    """All that a library knows, free of row numbers and times: two equal ones answer alike."""
    with sqlite3.connect(library / "library.sqlite") as connection:
        books = connection.execute("SELECT id, sha256, pages, title, complete FROM book").fetchall()
        found: dict[str, tuple[object, ...]] = {}
        for book, sha256, pages, title, complete in books:
            files = connection.execute(
                "SELECT path FROM file WHERE book = ? ORDER BY path", (book,)
            ).fetchall()
            rows = connection.execute(
                "SELECT number, blank, trouble, codes, image, text.lines, place.lines, packed FROM page"
                " LEFT JOIN thumbnail ON thumbnail.page = page.id LEFT JOIN text ON text.rowid = page.id"
                " LEFT JOIN place ON place.page = page.id LEFT JOIN feature ON feature.page = page.id"
                " WHERE book = ? ORDER BY number",
                (book,),
            ).fetchall()
            paths = [os.fsdecode(path) for (path,) in files]
            found[sha256] = (pages, title, complete, paths, rows)
    connection.close()
    return found


def _bars(chance: random.Random) -> str:
    return "\n".join(
        f"{chance.randrange(20, 340)} {chance.randrange(20, 570)} {chance.randrange(15, 60)} 8 re f"
        for _ in range(40)
    )
