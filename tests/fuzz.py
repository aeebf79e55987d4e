# ruff: noqa: T201 (a program that a person runs may print)
"""Feeds hundreds of damaged and hostile books and photos to `add` and `find`. Run by hand:

    python tests/fuzz.py [--cases 240] [--seed 1] [--model encoder.onnx] [--keep DIR]

Every case is made from a seed: truncated, bit-flipped, spliced, misnamed, bombs of pixels, of zip and
of page counts, links in circles, pipes, names in every script. Each must end in a page or in one
sentence: no traceback, no hang, no growth past the memory limit; and the library is whole afterwards,
with the good books among the bad ones complete.
"""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from books import TINY_MODEL, image_bytes, make_pdf, pdf_bytes

from whichpage.errors import PhotoError
from whichpage.indexing import AddReport
from whichpage.library import Library

# What a case may take on average, on a busy machine; the workers' own limit is a minute a page.
SECONDS_A_CASE = 3.0
MEMORY = 1_200_000_000

_KINDS = ("PNG", "JPEG", "WEBP", "TIFF")
_SUFFIXES = (".pdf", ".cbz", ".zip", ".jpg", ".png", ".tif", ".webp", ".heic")
_NAMES = (
    "日本語",
    "עברית",
    "русский",
    "ไทย",
    "हिन्दी",
    "🙂🙂",
    "a\nb",
    "\x1b[31mred",
    "-rf",
    "x" * 200,
    "é",
    "é",
    "%s%n",
    "'; --",
)


def make_cases(folder: Path, *, count: int, seed: int) -> int:
    """Writes `count` mutated books and the fixed hostile ones below a folder; how many in all."""
    chance = random.Random(seed)
    bases: tuple[Callable[[], bytes], ...] = (
        lambda: pdf_bytes(chance.randrange(1, 5), seed=chance.randrange(99)),
        lambda: _archive(chance),
        lambda: image_bytes(chance.randrange(99), chance.choice(_KINDS)),
        lambda: (Path(__file__).parent / "page.heic").read_bytes(),
    )
    made = 0
    for number in range(count):
        # A folder each, so that an image is a book of its own.
        place = folder / f"{number:04} {chance.choice(_NAMES)}"
        place.mkdir(parents=True)
        data = _mutated(chance.choices(bases, (4, 4, 4, 1))[0](), chance)
        (place / f"{chance.choice(_NAMES)}{chance.choice(_SUFFIXES)}").write_bytes(data)
        made += 1
    for name, data in _hostile(chance):
        (folder / f"hostile {name}").write_bytes(data)
        made += 1
    return made + _special(folder)


def _mutated(data: bytes, chance: random.Random) -> bytes:
    """One of seven kinds of damage."""
    mutable = bytearray(data)
    kind = chance.randrange(7)
    if kind == 0:
        return data[: chance.randrange(len(data))]
    if kind == 1:
        for _ in range(chance.choice((1, 8, 200))):
            mutable[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == 2:
        start = chance.randrange(len(data))
        mutable[start : start + chance.randrange(1, 200)] = chance.randbytes(chance.randrange(200))
    elif kind == 3:
        start = chance.randrange(len(data))
        mutable[start:start] = mutable[: chance.randrange(len(data))]
    elif kind == 4:
        # Numbers made enormous: sizes, counts, offsets.
        for digits in (b"595", b"420", b"/Count ", b"/Length "):
            mutable = mutable.replace(digits, digits + b"9" * chance.randrange(1, 12), 1)
    elif kind == 5:
        return chance.randbytes(chance.randrange(1, 5000))
    return bytes(mutable)


def _hostile(chance: random.Random) -> Iterator[tuple[str, bytes]]:
    yield "empty.pdf", b""
    yield "locked.pdf", pdf_bytes(2, encrypted=True)
    yield "no pages.pdf", pdf_bytes(0)
    yield "page tree in a circle.pdf", pdf_bytes(3).replace(b"/Kids[3 0 R", b"/Kids[2 0 R")
    yield "million pages.pdf", pdf_bytes(2).replace(b"/Count 2", b"/Count 2000000")
    yield "huge page.pdf", pdf_bytes(1).replace(b"0 0 420 595", b"0 0 9999999 9999999")
    yield "endless drawing.pdf", _drawing(b"0 0 m " + b"9 9 l 0 9 l 9 0 l " * 60_000 + b"B*")
    yield "image bomb.pdf", _pdf_image(40_000)
    yield "zip bomb.cbz", _zip({"1.png": bytes(200 << 20)})
    yield "many names.cbz", _zip({f"{number}.png": b"" for number in range(3000)})
    yield "same name.cbz", _archive(chance) + _archive(chance)
    yield (
        "path tricks.cbz",
        _zip(
            {
                name: image_bytes(1)
                for name in ("../../x.jpg", "/etc/x.jpg", "C:\\x.jpg", "a/../../b.jpg", "x\0.jpg")
            }
        ),
    )
    yield "nested.cbz", _zip({"inner.cbz": _archive(chance), "1.jpg": _archive(chance)})
    yield "pixels.png", _png(60_000, 60_000)
    yield "many pixels.png", _png(9_400, 9_400, rows=9_400)
    yield "long strip.png", _png(1, 65_000, rows=65_000)
    yield "pixels.tif", image_bytes(1, "TIFF").replace((600).to_bytes(2, "little"), b"\xff\xff")
    yield "text.pdf", b"not a PDF"
    yield "page.txt", pdf_bytes(1)


def _special(folder: Path) -> int:
    """Links in circles, links to nowhere, pipes, sockets, unreadable files, names of any bytes."""
    made = 0
    with suppress(OSError, NotImplementedError, AttributeError):
        (folder / "circle").mkdir()
        (folder / "circle" / "up").symlink_to(folder, target_is_directory=True)
        (folder / "circle" / "self.pdf").symlink_to(folder / "circle" / "self.pdf")
        (folder / "nowhere.pdf").symlink_to(folder / "does not exist.pdf")
        os.mkfifo(folder / "pipe.pdf")
        os.mkfifo(folder / "circle" / "pipe.jpg")
        (folder / "deep" / ("d/" * 100)).mkdir(parents=True)
        make_pdf(folder / "unreadable.pdf", 1).chmod(0)
        make_pdf(folder / os.fsdecode(b"\xff\xfe bytes.pdf"), 1, seed=77)
        made += 7
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(folder / "s.pdf"))
            made += 1
    return made


def _zip(entries: dict[str, bytes]) -> bytes:
    out = Path(tempfile.mkstemp()[1])
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    data = out.read_bytes()
    out.unlink()
    return data


def _archive(chance: random.Random) -> bytes:
    return _zip(
        {f"{number}.jpg": image_bytes(chance.randrange(99)) for number in range(chance.randrange(1, 4))}
    )


def _drawing(content: bytes) -> bytes:
    return pdf_bytes(1, blank=[1]).replace(
        b"<</Length 0>>stream\n", b"<</Length %d>>stream\n%s" % (len(content), content)
    )


def _pdf_image(side: int) -> bytes:
    """A page that shows an image of side x side pixels, a few kilobytes long."""
    data = zlib.compress(bytes(side * side // 64), 9)
    image = b"<</Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8" % (
        side,
        side,
    )
    image += b"/Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(data), data)
    page = pdf_bytes(1).replace(b"/MediaBox", b"/Resources<</XObject<</I 9 0 R>>>>/MediaBox")
    page = page.replace(b"re f", b"re f 400 0 0 500 0 0 cm /I Do", 1)
    # The table of objects is spoilt, so that PDFium looks for them and finds the ninth.
    return page.replace(b"xref\n", b"9 0 obj\n" + image + b"\nendobj\n", 1)


def _png(width: int, height: int, *, rows: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    header = width.to_bytes(4) + height.to_bytes(4) + b"\x08\x02\0\0\0"
    pixels = zlib.compressobj(1)
    body = b"".join(pixels.compress(bytes(1 + 3 * width)) for _ in range(rows)) + pixels.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def add_all(library: Library, folder: Path, *, cases: int) -> AddReport:
    """Adds the cases and the good books beside them, and holds what must hold."""
    good = [
        make_pdf(folder / f"{name}.pdf", 40, seed=1000 + seed)
        for seed, name in enumerate(("0 good", "~ good"))
    ]
    began = time.monotonic()
    report = library.add(folder)
    seconds = time.monotonic() - began
    assert seconds < 30 + SECONDS_A_CASE * cases, f"{cases} cases took {seconds:.0f} s"
    for path, reason in (*report.failed, *report.incomplete):
        assert reason, path
        assert "Traceback" not in reason, (path, reason)
        assert len(reason) < 300, (path, reason)
    check = library.check()
    # Pages that could not be read are told, and nothing else is amiss.
    assert len(check.problems) == len(check.unread), check.problems
    complete = {book.path: book.done for book in library.books()}
    for path in good:
        assert complete[path] == 40
    return report


def find_all(library: Library, folder: Path) -> tuple[int, int]:
    """Asks for every small file as if it were a photo: how many were answered, and how many refused."""
    answered = refused = 0
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.stat().st_size > 50_000_000:
            continue
        try:
            library.find(path)
            answered += 1
        except PhotoError:
            refused += 1
    return answered, refused


def memory() -> tuple[int, int]:
    """The most bytes that this process, and that any one of its workers, has used; zeros where unknown."""
    try:
        import resource
    except ImportError:
        return 0, 0
    unit = 1 if sys.platform == "darwin" else 1024
    return (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit,
    )


def main() -> None:
    """Runs it all and prints a line for each part."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=Path, help="an encoder; else the tiny one of the tests, and no find")
    parser.add_argument("--keep", type=Path, help="make the cases here and leave them")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary, "cases")
        folder.mkdir(parents=True, exist_ok=True)
        cases = make_cases(folder, count=arguments.cases, seed=arguments.seed)
        model = arguments.model or TINY_MODEL
        with Library.open(Path(temporary, "library"), model=model, create=True) as library:
            report = add_all(library, folder, cases=cases)
            adding, worker = memory()
            assert max(adding, worker) < MEMORY, (adding, worker)
            counts = {
                "books": report.added,
                "copies": len(report.copies),
                "incomplete": len(report.incomplete),
                "failed": len(report.failed),
            }
            print(f"add: {cases} cases in {report.seconds:.0f} s: {counts}; library whole")
            print(f"at most {adding / 1e6:.0f} MB, a worker {worker / 1e6:.0f} MB")
            for path, reason in (*report.failed, *report.incomplete):
                print(f"  {path.name!r}: {reason!r}")
            if arguments.model:
                answered, refused = find_all(library, folder)
                finding, _ = memory()
                assert finding < MEMORY, finding
                check = library.check()
                assert len(check.problems) == len(check.unread)
                print(f"find: {answered} answered, {refused} refused; at most {finding / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
