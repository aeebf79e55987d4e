"""Contact sheets: who is on them, and in which order."""

from __future__ import annotations

from pathlib import Path

from answered import answer, by_name, by_photo, truth
from PIL import Image

from whichpage.benchmark.contacts import A_SHEET, CELL, Contact, contacts, sheets
from whichpage.benchmark.scoring import score

TRUTHS = [
    truth("well.jpg", "flat", "a.pdf", 3),
    truth("missed.jpg", "flat", "a.pdf", 3),
    truth("wrong.jpg", "flat", "a.pdf", 4),
    truth("absent.jpg", "absent"),
    truth("none.jpg", "flat", "gone.pdf", 1),
]
ANSWERS = [
    answer(("/b/a.pdf", 3, True, 0.99)),
    answer(("/b/a.pdf", 3, False, 0.41)),
    answer(("/b/a.pdf", 5, True, 0.97)),
    answer(("/b/a.pdf", 9, False, 0.1)),
    answer(),
]


def test_what_went_wrong_is_on_the_sheet_the_worst_first() -> None:
    answers = by_photo(TRUTHS, ANSWERS)
    verdicts = score(TRUTHS, answers, same=by_name).verdicts
    book = Path("/b/a.pdf")
    found = contacts(verdicts, answers, lambda pdf: book if pdf == "a.pdf" else None)
    assert found == [
        Contact(Path("/photos/wrong.jpg"), (book, 4), (book, 5), "ACCEPTED, WRONG, 0.97"),
        Contact(Path("/photos/missed.jpg"), (book, 3), (book, 3), "right, not accepted, 0.41"),
        Contact(Path("/photos/none.jpg"), None, None, "nothing proposed"),
    ]


def test_sheets_hold_fifteen(tmp_path: Path) -> None:
    photo = tmp_path / "p.png"
    Image.new("RGB", (60, 80), (200, 0, 0)).save(photo)
    made = list(sheets([Contact(photo, None, (tmp_path / "gone.pdf", 1), "写真 " * 99)] * (A_SHEET + 1)))
    assert len(made) == 2
    assert made[0].width == 3 * made[1].width
    assert made[0].height == 5 * made[1].height
    # The photo stands in the middle of its cell, no larger than it is; pages that are not there are grey.
    left = 12
    assert made[1].getpixel((left + CELL // 2, 40)) == (200, 0, 0)
    assert made[1].getpixel((left + CELL // 2, 100)) == (255, 255, 255)
    assert made[1].getpixel((left + CELL + 12 + CELL // 2, 100)) == (225, 225, 225)
