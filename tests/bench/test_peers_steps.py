"""Steps that end in a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from whichpage.benchmark.peers.steps import Steps


def test_a_step_is_done_once_and_its_time_is_kept(tmp_path: Path) -> None:
    result, calls = tmp_path / "result.txt", []

    def make(file: Path) -> None:
        calls.append(file.name)
        file.write_text("whole")

    steps = Steps(tmp_path / "steps.json")
    steps.do("it", result, make)
    again = Steps(tmp_path / "steps.json")
    again.do("it", result, make)
    assert calls == ["half-result.txt"]
    assert result.read_text() == "whole"
    assert again.seconds == steps.seconds > 0


def test_a_step_that_was_ended_is_done_anew_from_nothing(tmp_path: Path) -> None:
    result = tmp_path / "result.txt"

    def fails(file: Path) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    def make(file: Path) -> None:
        assert not file.exists()
        file.write_text("whole")

    with pytest.raises(KeyboardInterrupt):
        Steps(tmp_path / "steps.json").do("it", result, fails)
    assert not result.exists()
    steps = Steps(tmp_path / "steps.json")
    assert steps.seconds == 0
    steps.do("it", result, make)
    assert result.read_text() == "whole"


def test_a_step_whose_file_is_gone_is_done_again(tmp_path: Path) -> None:
    result, calls = tmp_path / "result.txt", []

    def make(file: Path) -> None:
        calls.append(file.name)
        file.write_text(str(len(calls)))

    steps = Steps(tmp_path / "steps.json")
    steps.do("it", result, make)
    result.unlink()
    steps.do("it", result, make)
    assert result.read_text() == "2"
