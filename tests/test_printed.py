"""How printed lines are compared and stored."""

from __future__ import annotations

import pytest

from whichpage.printed import PrintedLine, normalise, pack, unpack


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("The ﬁne-tuned\n Text, No. １２!", "thefinetunedtextno12"),
        ("Straße", "strasse"),
        ("『吾輩は猫である。』", "吾輩は猫である"),
        (" .,-\n", ""),
    ],
)
def test_normalise(text: str, wanted: str) -> None:
    assert normalise(text) == wanted


def test_packed_lines_come_back() -> None:
    lines = (
        PrintedLine("thetitle", (0.25, 1 / 3), (0.75, 1 / 3)),
        PrintedLine("吾輩は猫である", (0.0, 0.0), (1.0, 1.0)),
    )
    text, places = pack(lines)
    assert text == "thetitle\n吾輩は猫である"
    assert len(places) == 8 * len(lines)
    for back, line in zip(unpack(text, places), lines, strict=True):
        assert back.text == line.text
        assert back.start + back.end == pytest.approx(line.start + line.end, abs=1 / 65535)
    assert pack(unpack(text, places)) == (text, places)
    assert unpack(*pack([])) == ()


def test_places_off_the_page_are_put_at_its_edge() -> None:
    (line,) = unpack(*pack([PrintedLine("text", (-0.5, 0.5), (1.5, 2.0))]))
    assert (line.start[0], line.end) == (0.0, (1.0, 1.0))


@pytest.mark.parametrize("places", [b"", bytes(7), bytes(16)])
def test_places_that_do_not_fit_the_text(places: bytes) -> None:
    with pytest.raises(ValueError, match=r"short|zip"):
        unpack("text", places)
