"""Truth files: what they say, and what is said about bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpage.benchmark.truth import TruthError, TruthPhoto, read_truth, read_truths

HEAD = "photo,pdf,page,stratum\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "truth.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "a.jpg,x/本.pdf,12|13,spread\nb.jpg,,,absent\n")
    assert read_truth(path) == [
        TruthPhoto(tmp_path / "a.jpg", "spread", "x/本.pdf", frozenset({12, 13})),
        TruthPhoto(tmp_path / "b.jpg", "absent", "", frozenset()),
    ]
    assert [photo.absent for photo in read_truth(path)] == [False, True]


def test_pages_beside_are_in_the_photo_too(tmp_path: Path) -> None:
    rows = "a.jpg,x.pdf,12,flat,13\nb.jpg,x.pdf,1,flat,\nc.jpg,,,absent,7\n"
    two, one, none = read_truth(write(tmp_path, f"photo,pdf,page,stratum,beside\n{rows}"))
    assert [sorted(photo.seen) for photo in (two, one, none)] == [[12, 13], [1], []]
    assert two.pages == {12}
    struck = two.struck()
    assert (struck.absent, struck.seen, struck.sheet) == (True, frozenset(), two.sheet)
    with pytest.raises(TruthError, match="pages count from 1"):
        read_truth(write(tmp_path, "photo,pdf,page,stratum,beside\na.jpg,x.pdf,12,flat,0\n"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("photo,pdf,page\n", r"it has no column stratum"),
        ("", r"it has no column photo, pdf, page, stratum"),
        (HEAD + "a.jpg,x.pdf,twelve,flat\n", r"line 2: 'twelve' is no page number"),
        (HEAD + "a.jpg,x.pdf,,flat\n", r"line 2: '' is no page number"),
        (HEAD + "a.jpg,x.pdf,0,flat\n", r"line 2: pages count from 1"),
        (HEAD + "a.jpg,x.pdf,1,flat\n,x.pdf,1,flat\n", r"line 3: photo and stratum must be given"),
        (HEAD + "a.jpg,x.pdf\n", r"line 2: photo and stratum must be given"),
        (HEAD + "a.jpg,x.pdf,1,flat,more\n", r"line 2: photo and stratum must be given, in four columns"),
    ],
)
def test_bad_files_are_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(TruthError, match=sentence):
        read_truth(write(tmp_path, text))


def test_photos_must_be_there_once(tmp_path: Path) -> None:
    path = write(tmp_path, HEAD + "a.jpg,x.pdf,1,flat\n")
    with pytest.raises(TruthError, match=r"a\.jpg: the truth file names this photo, but it is not there"):
        read_truths([path])
    (tmp_path / "a.jpg").touch()
    assert len(read_truths([path])) == 1
    with pytest.raises(TruthError, match=r"name a photo twice"):
        read_truths([path, path])
    with pytest.raises(TruthError, match=r"name no photo"):
        read_truths([write(tmp_path, HEAD)])
    with pytest.raises(TruthError, match=r"cannot be read: No such file"):
        read_truths([tmp_path / "gone.csv"])
