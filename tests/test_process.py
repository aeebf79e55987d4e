"""The command as a process of its own: streams, encodings, signals."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from whichpage.library import Library

TESTS = Path(__file__).parent
DEMO = TESTS.parent / "demo"
COMMAND = [sys.executable, "-m", "whichpage"]


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """An empty library."""
    folder = tmp_path / "library"
    Library.open(folder, create=True).close()
    return folder


def whichpage(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )


def test_no_library_is_one_sentence_and_exit_2(tmp_path: Path) -> None:
    done = whichpage("find", "x.jpg", WHICHPAGE_LIBRARY=str(tmp_path / "none"))
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr == f"whichpage: there is no library at {tmp_path / 'none'}; `whichpage add` makes one\n"
    )
    assert not (tmp_path / "none").exists()


@pytest.mark.skipif(os.name != "posix", reason="other systems have their caches elsewhere")
def test_nothing_is_told_about_the_computer(tmp_path: Path) -> None:
    """ONNX Runtime would, and keeps what it has to tell in the user's cache; but not in CI, as that says."""
    home = tmp_path / "home"
    home.mkdir()
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    folder = str(tmp_path / "library")
    for arguments in (
        ["add", str(DEMO / "library" / "kanbun-ja.pdf")],
        ["find", str(DEMO / "photos" / "09-absent.jpg")],  # for which all models are loaded
    ):
        done = subprocess.run(
            [*COMMAND, "-l", folder, *arguments], env=environment, stdout=subprocess.DEVNULL, check=False
        )
        assert done.returncode in (0, 1)
    assert list(home.rglob("*")) == []


def test_an_empty_library_is_listed_checked_and_described(library: Path) -> None:
    assert whichpage("-l", library, "list").stdout == ""
    assert whichpage("-l", library, "check").returncode == 0
    assert "books: 0\n" in whichpage("info", "-l", library).stdout


def test_any_name_in_any_locale_is_a_sentence(library: Path) -> None:
    for name in ("本", os.fsdecode(b"\xff\xfe"), "a\nb"):
        done = whichpage("-l", library, "remove", name, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("whichpage: no book of the library is called ")
        assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_is_told_nothing(library: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [*COMMAND, "-l", str(library), "info"],
            stdout=write,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


def test_an_interrupt_exits_with_130() -> None:
    program = (
        # Whoever starts the tests in the background may have them ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import sys, threading, _thread; from whichpage.cli import run\n"
        "import whichpage.library\n"
        "class Waits:\n"
        "    @classmethod\n"
        "    def open(cls, *a, **k): print('ready', flush=True); threading.Event().wait(); return cls()\n"
        "whichpage.library.Library = Waits\n"
        "sys.exit(run(['list']))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip() == "whichpage: interrupted"


def test_listing_loads_no_model_runtime(library: Path) -> None:
    program = (
        "import sys; from whichpage.cli import run\n"
        f"code = run(['-l', {str(library)!r}, 'list'])\n"
        "print(code, *sorted({'onnxruntime', 'faiss', 'rich', 'sqlite3'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "0 sqlite3\n"


def test_a_library_from_add_to_remove(tmp_path: Path) -> None:
    """Two books, one of them no PDF at all; the encoder is a tiny one, for none of this asks what it says."""
    books = tmp_path / "本"
    books.mkdir()
    shutil.copy(DEMO / "library" / "kanbun-ja.pdf", books / "漢文.pdf")
    (books / "fake.pdf").write_text("no PDF")
    library = ("-l", tmp_path / "library", "--model", TESTS / "tiny.onnx")

    added = whichpage(*library, "add", books)
    assert added.returncode == 2
    assert added.stdout.startswith("books: 1 added, 1 failed; pages: 6; ")
    assert added.stderr.startswith(f"whichpage: {books / 'fake.pdf'}: ")
    assert added.stderr.count("\n") == 1

    assert whichpage(*library, "list").stdout == f"{books / '漢文.pdf'}\t6\tcomplete\n"
    assert json.loads(whichpage(*library, "info", "--json").stdout)["pages"] == 6
    (books / "fake.pdf").unlink()
    assert whichpage(*library, "add", books).stdout.startswith("books: 1 unchanged; pages: 0; ")

    (books / "漢文.pdf").unlink()
    checked = whichpage(*library, "check")
    assert (checked.returncode, checked.stdout) == (1, f"{books / '漢文.pdf'}: the file is gone\n")
    assert whichpage(*library, "remove", "漢文").stdout == f"removed {books / '漢文.pdf'}, 6 pages\n"
    assert whichpage(*library, "list").stdout == ""
