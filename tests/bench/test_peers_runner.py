"""All photos by all peers: the real thing on drawn pages, interrupted and run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from drawn import text_page
from PIL import Image
from shelf import put_pages, put_photo, put_scan

from whichpage.benchmark import provenance
from whichpage.benchmark.command import bench
from whichpage.benchmark.peers import NAMES, registry, runner
from whichpage.benchmark.peers.hashes import HashPeer
from whichpage.benchmark.peers.protocol import Ranked
from whichpage.benchmark.peers.registry import Setting
from whichpage.cli import program
from whichpage.errors import WhichpageError
from whichpage.library import Library


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library of a book of 24 drawn pages; a scan of page 2, a photo of page 20, a scan of no page."""
    folder = tmp_path_factory.mktemp("place")
    put_pages(folder / "books" / "drawn", 24)
    with Library.open(folder / "library", create=True) as library:
        library.add(folder / "books")
    (folder / "photos").mkdir()
    put_scan(folder / "photos" / "scan.jpg", 2)
    put_photo(folder / "photos" / "desk.jpg", 20)
    put_scan(folder / "photos" / "absent.jpg", 99)
    (folder / "photos" / "truth.csv").write_text(
        "photo,pdf,page,stratum\nscan.jpg,drawn,2,scan\ndesk.jpg,drawn,20,desk\nabsent.jpg,,,absent\n"
    )
    return folder


def run(place: Path, out: Path, names: list[str], pages: int | None = None) -> dict[str, Any]:
    report = runner.run(
        [place / "photos" / "truth.csv"],
        names=names,
        setting=Setting(place / "library"),
        pages=pages,
        books=None,
        duplicates=None,
        out=out,
        cache=out / "cache",
    )
    return report.object()


def rows(report: dict[str, Any], table: int) -> dict[str, list[Any]]:
    return {row[0]: row[1:] for row in report["tables"][table]["rows"]}


def test_every_peer_is_asked_for_every_photo(place: Path, tmp_path: Path) -> None:
    """The hash of a whole photo finds the scan and not the page on a desk; whichpage finds both."""
    report = run(place, tmp_path, ["phash", "whichpage"])
    counts = {name: [cell["count"] for cell in cells[:5]] for name, cells in rows(report, 0).items()}
    assert counts["whichpage"] == [2, 2, 2, 0, 0]
    assert counts["phash"] == [1, 1, 1, 0, 0]
    assert rows(report, 1) == {"desk": [1, 0, 1], "scan": [1, 1, 1]}
    assert report["data"]["pages"] == report["data"]["library_pages"] == 24
    assert [len(peer["answers"]) for peer in report["data"]["peers"].values()] == [3, 3]


def test_a_run_that_was_ended_repeats_no_work(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answered: list[str] = []
    answer = HashPeer.answer

    def ended_at_the_third(self: HashPeer, photo: Path) -> list[Ranked]:
        answered.append(photo.name)
        if len(answered) == 3:
            raise KeyboardInterrupt
        return answer(self, photo)

    monkeypatch.setattr(HashPeer, "answer", ended_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(place, tmp_path, ["phash"])
    stored = next((tmp_path / "cache").rglob("hashes.sqlite"))
    before = stored.stat().st_mtime_ns
    whole = run(place, tmp_path, ["phash"])
    assert answered == ["scan.jpg", "desk.jpg", "absent.jpg", "absent.jpg"]
    assert stored.stat().st_mtime_ns == before
    assert [one["photo"].split("/")[-1] for one in whole["data"]["peers"]["phash"]["answers"]] == [
        "scan.jpg",
        "desk.jpg",
        "absent.jpg",
    ]
    assert run(place, tmp_path, ["phash"])["tables"] == whole["tables"]
    assert len(answered) == 4


@pytest.mark.parametrize(("peer", "repeats"), [("phash", 0), ("phash-finder", 3)])
def test_answers_are_kept_until_a_model_changes_that_they_come_from(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, peer: str, repeats: int
) -> None:
    run(place, tmp_path, [peer])
    other = tmp_path / "other.onnx"
    other.write_bytes(b"another page finder")
    monkeypatch.setattr(provenance, "SHIPPED_FINDER", other)
    asked: list[str] = []
    answer = HashPeer.answer

    def noted(self: HashPeer, photo: Path) -> list[Ranked]:
        asked.append(photo.name)
        return answer(self, photo)

    monkeypatch.setattr(HashPeer, "answer", noted)
    run(place, tmp_path, [peer])
    assert len(asked) == repeats


def test_a_sample_has_the_pages_that_the_photos_show(place: Path, tmp_path: Path) -> None:
    """Runs of eight: pages 1 to 8 hold page 2, and 17 to 24 page 20."""
    report = run(place, tmp_path, ["dhash"], pages=3)
    assert (report["data"]["pages"], report["data"]["library_pages"]) == (16, 24)
    answers = report["data"]["peers"]["dhash"]["answers"]
    pages = {match["page"] for answer in answers for match in answer["matches"]}
    assert pages <= {*range(1, 9), *range(17, 25)}


def test_a_photo_that_cannot_be_read_is_an_error_and_no_answer(place: Path, tmp_path: Path) -> None:
    (tmp_path / "truth.csv").write_text("photo,pdf,page,stratum\nbroken.jpg,drawn,2,scan\n")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    report = runner.run(
        [tmp_path / "truth.csv"],
        names=["phash"],
        setting=Setting(place / "library"),
        pages=None,
        books=None,
        duplicates=None,
        out=tmp_path,
        cache=tmp_path / "cache",
    )
    (answer,) = report.object()["data"]["peers"]["phash"]["answers"]
    assert (answer["status"], answer["matches"]) == ("error", [])
    assert "broken.jpg" in answer["error"]


def test_every_name_has_a_maker() -> None:
    assert set(registry._MAKERS) == set(NAMES)
    with pytest.raises(WhichpageError, match="--article-model"):
        registry.make("article", Setting(Path("nowhere")))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--peers", "phash,magic"], "no peer 'magic'"),
        (["--peers", "article"], "needs --article-model"),
        (["--pages", "-1"], "-1"),
    ],
)
def test_wrong_usage_is_one_sentence_and_exit_code_2(
    place: Path, tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    truth = str(place / "photos" / "truth.csv")
    library = ["--library", str(place / "library")]
    done = CliRunner().invoke(
        bench, ["peers", truth, *arguments, *library, "--out", str(tmp_path)], standalone_mode=False
    )
    assert sentence in str(done.exception)
    assert getattr(done.exception, "exit_code", None) == 2


def test_the_command_writes_its_report(place: Path, tmp_path: Path) -> None:
    words = ["bench", "peers", str(place / "photos" / "truth.csv"), "--library", str(place / "library")]
    done = CliRunner().invoke(program, [*words, "--peers", "phash", "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert "| phash" in done.output
    assert json.loads((tmp_path / "peers.json").read_text())["title"] == "Peers"
    with Image.open(tmp_path / "peers-overview.png") as picture:
        assert picture.width == 960


def test_the_drawn_pages_differ() -> None:
    """Else finding them would say nothing."""
    assert len({text_page(seed).tobytes() for seed in range(1, 25)}) == 24
