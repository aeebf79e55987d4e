"""The command's own work: arguments in, text and exit codes out, over a library that answers as told."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, Self

import numpy as np
import pytest

import whichpage.library
import whichpage.viewer
from whichpage.catalog import Book, LibraryInfo
from whichpage.checking import CheckReport
from whichpage.cli import main, run
from whichpage.errors import BookNotFound, LibraryNotFound, LibraryOutdated, PhotoError, WhichpageError
from whichpage.indexing import AddReport
from whichpage.library import ReadReport
from whichpage.types import Answer, Match

BOOK = Book(
    id=1,
    path=Path("/books/日本 a.pdf"),
    title="A",
    pages=1200,
    done=1200,
    blank=2,
    unreadable=0,
    state="complete",
    size=5000,
    added=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)
QUAD = np.array([[1, 2], [3, 2], [3, 4], [1, 4]], np.float32)
MATCH = Match(Path("/books/a.pdf"), 12, True, 0.998, QUAD)
GUESS = Match(Path("/books/b.pdf"), 3, False, 0.04, QUAD)
FOUND = Answer("?", "found", 0.2, (MATCH, GUESS))
NOT_FOUND = Answer("?", "not_found", 0.1, (GUESS,))


class ToldLibrary:
    """Stands for Library: answers what a test has laid down, and remembers what it was asked."""

    answers: ClassVar[dict[str, Answer | BaseException]] = {}
    report: ClassVar[AddReport] = AddReport()
    read_report: ClassVar[ReadReport] = ReadReport(pages=40, wordless=3, seconds=21.04)
    check_report: ClassVar[CheckReport] = CheckReport(books=1, pages=9)
    opening: ClassVar[Exception | None] = None
    asked: ClassVar[list[Any]] = []
    moved: ClassVar[dict[Path, Path]] = {}
    text: ClassVar[bool] = True

    @classmethod
    def open(cls, path: Path | None, *, model: Path | None, create: bool = False, text: bool = True) -> Self:
        cls.asked.append(("open", path, model, create))
        cls.text = text
        if cls.opening:
            raise cls.opening
        return cls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.asked.append("closed")

    def add(self, *paths: Path, **options: Any) -> AddReport:
        self.asked.append((paths, options))
        return self.report

    def read(self, *books: str, **options: Any) -> ReadReport:
        self.asked.append((books, options))
        return self.read_report

    def find(self, photo: Path | bytes, *, top: int = 5) -> Answer:
        self.asked.append((photo, top))
        answer = self.answers[photo.name if isinstance(photo, Path) else "-"]
        if isinstance(answer, BaseException):
            raise answer
        return dataclasses.replace(answer, photo=str(photo))

    def with_image_names(self, answer: Answer) -> Answer:
        return answer

    def at_hand(self, answer: Answer) -> Answer:
        def named(match: Match) -> Match:
            return dataclasses.replace(match, source=self.moved.get(match.source, match.source))

        return dataclasses.replace(answer, matches=tuple(map(named, answer.matches)))

    def books(self) -> list[Book]:
        return [BOOK]

    def info(self) -> LibraryInfo:
        return LibraryInfo(Path("/lib"), 3, 1, 0, 400, 5, 0, 6_100_000, "0123456789abcdef", 1)

    def missing(self) -> list[Book]:
        return [BOOK, dataclasses.replace(BOOK, id=2, path=Path("/books/b.pdf"), pages=3)]

    def remove(self, book: str | int) -> Book:
        if isinstance(book, int):
            self.asked.append(("remove", book))
            return self.missing()[book - 1]
        if book != "a":
            raise BookNotFound(f"no book of the library is called {book}")
        return BOOK

    def check(self) -> CheckReport:
        return self.check_report


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[ToldLibrary]:
    told = type("Told", (ToldLibrary,), {"answers": {}, "asked": []})
    monkeypatch.setattr(whichpage.library, "Library", told)
    return told


Output = pytest.CaptureFixture[str]


def test_found_prints_a_line_and_exits_with_0(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers["x.jpg"] = FOUND
    assert run(["find", "x.jpg"]) == 0
    assert capsys.readouterr() == ("x.jpg\t/books/a.pdf\t12\t0.998\tyes\n", "")
    assert library.asked == [("open", None, None, False), (Path("x.jpg"), 5), "closed"]


def test_scans_are_read(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["read"]) == 0
    assert capsys.readouterr() == ("pages read: 40 (3 without words); 21.0 s\n", "")
    library.read_report = ReadReport(pages=1, failed=((Path("/b/x.pdf"), "does not exist"),), seconds=0.5)
    assert run(["read", "a", "b", "--workers", "2"]) == 2
    assert capsys.readouterr() == ("pages read: 1; 0.5 s\n", "whichpage: /b/x.pdf: does not exist\n")
    assert library.asked[-2] == (("a", "b"), {"workers": 2, "progress": None})
    library.read_report = ReadReport(pages=9, incomplete=((Path("/b/x.pdf"), "1 page could not"),))
    assert run(["read"]) == 2
    assert capsys.readouterr() == ("pages read: 9; 0.0 s\n", "whichpage: /b/x.pdf: 1 page could not\n")


def test_not_found_is_said_and_exits_with_1(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers["x.jpg"] = NOT_FOUND
    assert run(["find", "x.jpg"]) == 1
    assert capsys.readouterr() == ("x.jpg\tnot in this library\n", "")


def test_top_shows_the_unverified_too(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers["x.jpg"] = FOUND
    assert run(["find", "--top", "7", "x.jpg"]) == 0
    assert capsys.readouterr().out.splitlines()[1] == "x.jpg\t/books/b.pdf\t3\t0.040\tno"
    assert library.asked[1] == (Path("x.jpg"), 7)


def test_text_is_read_unless_told_not_to(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers["x.jpg"] = FOUND
    assert run(["find", "x.jpg"]) == 0
    assert library.text is True
    assert run(["find", "--no-text", "x.jpg"]) == 0
    assert library.text is False


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["found", "missed"], 0),
        (["missed", "missed"], 1),
        (["found", "broken", "missed"], 2),
        (["refused", "found"], 2),
    ],
)
def test_exit_codes_of_many_photos_are_greps(
    library: type[ToldLibrary], capsys: Output, names: list[str], code: int
) -> None:
    library.answers.update(
        found=FOUND,
        missed=NOT_FOUND,
        broken=PhotoError("broken is empty."),
        refused=Answer("?", "error", 0, error="refused is damaged."),
    )
    assert run(["find", "--json", *names]) == code
    out, err = capsys.readouterr()
    # One object a photo, in the order asked, whatever became of the others.
    assert [json.loads(line)["photo"] for line in out.splitlines()] == names
    assert err == "".join(
        line
        for name, line in (
            ("broken", "whichpage: broken is empty.\n"),
            ("refused", "whichpage: refused is damaged.\n"),
        )
        if name in names
    )


def test_a_defect_on_one_photo_leaves_the_others(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers.update(a=ZeroDivisionError("by zero"), b=FOUND)
    assert run(["find", "--json", "a", "b"]) == 2
    out, err = capsys.readouterr()
    assert [json.loads(line)["status"] for line in out.splitlines()] == ["error", "found"]
    assert err == "whichpage: a: unexpected ZeroDivisionError: by zero\n"


def test_an_outdated_library_ends_the_run(library: type[ToldLibrary], capsys: Output) -> None:
    library.answers.update(a=LibraryOutdated("renew it"), b=FOUND)
    assert run(["find", "a", "b"]) == 2
    assert capsys.readouterr() == ("", "whichpage: renew it\n")


def test_a_terminal_gets_one_table_even_when_interrupted(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "dumb")
    library.answers.update(a=FOUND, b=NOT_FOUND, c=KeyboardInterrupt())
    assert run(["find", "a", "b", "c"]) == 130
    rows = [line.split() for line in screen.getvalue().splitlines() if line.strip()]
    assert rows[0] == ["Photo", "Book", "Page", "Confidence", "Verified"]
    assert rows[-2:] == [["a", "/books/a.pdf", "12", "0.998", "yes"], ["b", "not", "in", "this", "library"]]


def test_each_json_line_is_out_before_the_next_photo(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Pipe(io.StringIO):
        flushed = ""

        def flush(self) -> None:
            self.flushed = self.getvalue()

    pipe = Pipe()
    monkeypatch.setattr(sys, "stdout", pipe)
    seen = []

    def find(self: ToldLibrary, photo: Path, *, top: int = 5) -> Answer:
        seen.append(pipe.flushed.count("\n"))
        return FOUND

    monkeypatch.setattr(library, "find", find)
    assert run(["find", "--json", "a", "b", "c"]) == 0
    assert seen == [0, 1, 2]


def test_a_dash_reads_the_photo_from_standard_input(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\xff\xd8 photo")))
    library.answers["-"] = FOUND
    assert run(["find", "--json", "-"]) == 0
    assert library.asked[1][0] == b"\xff\xd8 photo"
    assert json.loads(capsys.readouterr().out)["photo"] == "-"


def test_endless_input_is_not_read_to_its_end(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Endless:
        def read(self, size: int) -> bytes:
            return bytes(size)

    monkeypatch.setattr("whichpage.photo.MAX_PHOTO_BYTES", 1000)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Endless()))
    library.answers["-"] = PhotoError("The photo is too large.")
    assert run(["find", "-"]) == 2
    assert len(library.asked[1][0]) == 1001


def opened_at_their_start(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Stands for a viewer that cannot be told the page; the files and pages that it was given."""
    opened: list[tuple[Path, int]] = []

    def told(path: Path, page: int) -> bool:
        opened.append((path, page))
        return False

    monkeypatch.setattr(whichpage.viewer, "open_page", told)
    return opened


def test_open_opens_the_first_page_found(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    opened = opened_at_their_start(monkeypatch)
    library.answers.update(missed=NOT_FOUND, x=FOUND, y=FOUND)
    assert run(["find", "--open", "missed", "x", "y"]) == 0
    assert opened == [(Path("/books/a.pdf"), 12)]
    assert "turn to page 12" in capsys.readouterr().err


def test_open_opens_the_image_that_is_the_page(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    opened = opened_at_their_start(monkeypatch)
    scan = dataclasses.replace(MATCH, source=tmp_path, page=8, image_name="page12.jpg")
    library.answers["x"] = dataclasses.replace(FOUND, matches=(scan,))
    assert run(["find", "--open", "x"]) == 0
    assert opened == [(tmp_path / "page12.jpg", 1)]
    assert capsys.readouterr().err == ""


def test_folders_are_walked_for_photos(
    library: type[ToldLibrary], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/b10.jpg", "in/b9.jpg", "in/deep/a.png", "in/notes.txt", "in/.hidden.jpg", "empty/c.pdf"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"%PDF-1.4")
    photos = ["in/b9.jpg", "in/b10.jpg", "in/deep/a.png"]
    library.answers.update(dict.fromkeys(("b9.jpg", "b10.jpg", "a.png", "y"), FOUND))
    Path("in/b9.whichpage.jpg").write_bytes(b"a picture of an answer")
    library.answers["empty"] = PhotoError("empty is a folder, not a photo.")
    library.answers["x" * 300] = PhotoError("too long.")
    assert run(["find", "x" * 300, "in", "y", "empty"]) == 2
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [*photos, "y"]
    assert err == "whichpage: too long.\nwhichpage: empty is a folder, not a photo.\n"


def test_a_folder_below_that_cannot_be_read_is_told(
    library: type[ToldLibrary], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("in/a.jpg", "in/shut/b.jpg", "in/z/c.jpg"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    look = os.scandir

    def refuse(folder: Path) -> object:
        if Path(folder).name == "shut":
            raise PermissionError(13, "Permission denied", str(folder))
        return look(folder)

    monkeypatch.setattr("os.scandir", refuse)
    library.answers.update({"a.jpg": FOUND, "c.jpg": FOUND})
    library.answers["shut"] = PhotoError("in/shut is a folder that may not be read.")
    assert run(["find", "in"]) == 2
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == ["in/a.jpg", "in/z/c.jpg"]
    assert err == "whichpage: in/shut is a folder that may not be read.\n"


def test_open_and_save_take_a_file_that_is_as_it_was(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output, tmp_path: Path
) -> None:
    shown: list[Path] = []

    def opened(path: Path, page: int) -> bool:
        shown.append(path)
        return True

    def saved(_: Any, answer: Answer, photo: Path) -> None:
        shown.append(answer.matches[0].source)

    monkeypatch.setattr(whichpage.viewer, "open_page", opened)
    monkeypatch.setattr("whichpage.pictures.Gallery.save", saved)
    monkeypatch.setattr(library, "moved", {MATCH.source: Path("/copies/a.pdf")})
    library.answers["x"] = FOUND
    assert run(["find", "--open", "--save", str(tmp_path), "x"]) == 0
    assert shown == [Path("/copies/a.pdf")] * 2
    assert capsys.readouterr().out == "x\t/books/a.pdf\t12\t0.998\tyes\n"


def test_a_viewer_that_fails_is_an_error_of_its_own(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    def gone(path: Path, page: int) -> bool:
        raise WhichpageError(f"{path} is not there any more")

    monkeypatch.setattr(whichpage.viewer, "open_page", gone)
    library.answers.update(x=FOUND, y=FOUND)
    assert run(["find", "--open", "x", "y"]) == 2
    out, err = capsys.readouterr()
    assert out.count("/books/a.pdf\t12") == 2
    assert err == "whichpage: /books/a.pdf is not there any more\n"


def test_save_writes_a_picture_a_photo(library: type[ToldLibrary], tmp_path: Path) -> None:
    demo = Path(__file__).parent.parent / "demo"
    library.answers["09-absent.jpg"] = NOT_FOUND
    assert run(["find", "--save", str(tmp_path / "new" / "out"), str(demo / "photos" / "09-absent.jpg")]) == 1
    assert [path.name for path in (tmp_path / "new" / "out").iterdir()] == ["09-absent.whichpage.jpg"]


def test_a_name_cannot_forge_output(library: type[ToldLibrary], capsys: Output) -> None:
    name = "x\nevil.jpg\t/books/a.pdf\x1b[2J"
    library.answers[Path(name).name] = NOT_FOUND
    library.answers["pdf\x1b[2J"] = NOT_FOUND
    assert run(["find", name]) == 1
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert "\x1b" not in out
    assert "\\n" in out


def test_add_says_what_was_done(library: type[ToldLibrary], capsys: Output) -> None:
    library.report = AddReport(added=2, unchanged=1500, pages=4321, blank=7, seconds=61.26)
    assert run(["add", "--workers", "3", "b", "c"]) == 0
    assert capsys.readouterr() == ("books: 2 added, 1,500 unchanged; pages: 4,321 (7 blank); 61.3 s\n", "")
    assert library.asked[:2] == [
        ("open", None, None, True),
        ((Path("b"), Path("c")), {"workers": 3, "renew": False, "progress": None}),
    ]


def test_add_lists_what_failed_and_exits_with_2(library: type[ToldLibrary], capsys: Output) -> None:
    library.report = AddReport(
        added=1,
        failed=((Path("/b/locked.pdf"), "is encrypted"),),
        incomplete=((Path("/b/half.cbz"), "page 3 cannot be read"),),
        seconds=1,
    )
    assert run(["add", "/b"]) == 2
    out, err = capsys.readouterr()
    assert out == "books: 1 added, 1 failed; pages: 0; 1.0 s\n"
    assert err.splitlines() == [
        "whichpage: /b/locked.pdf: is encrypted",
        "whichpage: /b/half.cbz: page 3 cannot be read",
    ]


def test_add_renew_needs_a_library_and_no_path(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["add", "--renew"]) == 0
    assert library.asked[0] == ("open", None, None, False)
    assert library.asked[1][1]["renew"] is True
    assert run(["add"]) == 2
    assert "name the files or folders to add" in capsys.readouterr().err


def test_list(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["list"]) == 0
    assert capsys.readouterr().out == "/books/日本 a.pdf\t1200\tcomplete\n"
    assert run(["list", "--json"]) == 0
    book = json.loads(capsys.readouterr().out)
    assert (book["path"], book["pages"], book["added"]) == (
        "/books/日本 a.pdf",
        1200,
        "2026-01-02T03:04:05+00:00",
    )


def test_list_says_how_far_an_unfinished_book_is(
    library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    half = dataclasses.replace(BOOK, state="unfinished", done=64)
    monkeypatch.setattr(library, "books", lambda _: [half])
    assert run(["list"]) == 0
    assert capsys.readouterr().out == "/books/日本 a.pdf\t64 of 1200\tunfinished\n"


def test_add_says_which_older_pages_gained_local_features(library: type[ToldLibrary], capsys: Output) -> None:
    library.report = AddReport(unchanged=2, seconds=1.0, described=4321)
    assert run(["add", "b"]) == 0
    said = "books: 2 unchanged; pages: 0; local features for 4,321 older pages; 1.0 s\n"
    assert capsys.readouterr() == (said, "")


def test_info(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "path: /lib"
    assert "pages: 400" in lines
    assert "size: 6.1 MB" in lines
    assert run(["info", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == 6_100_000


def test_remove(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["remove", "b", "a"]) == 2
    assert capsys.readouterr() == (
        "removed /books/日本 a.pdf, 1,200 pages\n",
        "whichpage: no book of the library is called b\n",
    )
    assert run(["remove", "a"]) == 0


def test_books_that_have_lost_their_files_are_listed_and_removed_only_when_sure(
    library: type[ToldLibrary], capsys: Output
) -> None:
    assert run(["remove", "--missing"]) == 0
    assert capsys.readouterr() == (
        "/books/日本 a.pdf, 1,200 pages\n/books/b.pdf, 3 pages\n",
        "whichpage: 2 books have lost their files; with --yes they are removed\n",
    )
    assert not [asked for asked in library.asked if asked[0] == "remove"]
    assert run(["remove", "--missing", "--yes"]) == 0
    assert (
        capsys.readouterr().out == "removed /books/日本 a.pdf, 1,200 pages\nremoved /books/b.pdf, 3 pages\n"
    )
    assert [asked for asked in library.asked if asked[0] == "remove"] == [("remove", 1), ("remove", 2)]


def test_check(library: type[ToldLibrary], capsys: Output) -> None:
    assert run(["check"]) == 0
    assert capsys.readouterr().out == "the library is whole and every file is there\n"
    library.check_report = CheckReport(books=1, pages=9, missing=(Path("/b/x.pdf"),))
    assert run(["check"]) == 1
    assert capsys.readouterr().out == "/b/x.pdf: the file is gone\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-l", "lib", "--model", "m.onnx", "list"],
        ["list", "--library", "lib", "--model", "m.onnx"],
        ["-l", "lib", "list", "--model", "m.onnx"],
        ["-l", "other", "--model", "m.onnx", "list", "-l", "lib"],
    ],
)
def test_shared_options_stand_anywhere(library: type[ToldLibrary], arguments: list[str]) -> None:
    assert run(arguments) == 0
    assert library.asked[0] == ("open", Path("lib"), Path("m.onnx"), False)


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (LibraryNotFound("there is no library at /x"), 2, "whichpage: there is no library at /x\n"),
        (LibraryOutdated("it is old"), 2, "whichpage: it is old\n"),
        (PermissionError(13, "Permission denied", "/x"), 2, "whichpage: /x: Permission denied\n"),
        (
            ZeroDivisionError("by zero"),
            2,
            "whichpage: unexpected ZeroDivisionError: by zero (run again with -v for the details)\n",
        ),
        (KeyboardInterrupt(), 130, "\nwhichpage: interrupted\n"),
    ],
)
def test_errors_are_one_sentence(
    library: type[ToldLibrary], capsys: Output, error: Exception, code: int, sentence: str
) -> None:
    library.opening = error
    assert run(["list"]) == code
    assert capsys.readouterr() == ("", sentence)


def test_verbose_shows_the_traceback(library: type[ToldLibrary], capsys: Output) -> None:
    library.opening = ZeroDivisionError("by zero")
    assert run(["list", "-v"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("whichpage: unexpected ZeroDivisionError: by zero\nTraceback")


@pytest.mark.parametrize(
    "arguments",
    [
        ["find"],
        ["remove"],
        ["remove", "a", "--missing"],
        ["remove", "a", "--yes"],
        ["list", "--nonsense"],
        ["nonsense"],
        ["find", "--top", "0", "x"],
    ],
)
def test_wrong_usage_exits_with_2(capsys: Output, arguments: list[str]) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Usage: whichpage" in err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(capsys: Output, shell: str) -> None:
    assert run(["completion", shell]) == 0
    out = capsys.readouterr().out
    assert "_WHICHPAGE_COMPLETE=" in out
    assert shell in out


def test_help_names_every_command(capsys: Output) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    for name in ("add", "check", "completion", "find", "info", "list", "remove"):
        assert f"\n  {name} " in out


def test_main_ends_with_the_exit_code(library: type[ToldLibrary], monkeypatch: pytest.MonkeyPatch) -> None:
    library.answers["x.jpg"] = NOT_FOUND
    monkeypatch.setattr(sys, "argv", ["whichpage", "find", "x.jpg"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
