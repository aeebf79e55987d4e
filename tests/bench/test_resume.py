"""Results that are kept: a run that was ended goes on, one with another key begins anew."""

from __future__ import annotations

from pathlib import Path

from whichpage.benchmark.resume import ResultLog

KEY = {"data": "d1", "model": "m1"}


def test_results_are_there_again(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    with ResultLog.open(path, key=KEY) as log:
        log.add("写真", {"top1": True, "pair": (1, 2)})
        assert log.done == {"写真": {"top1": True, "pair": [1, 2]}}  # as it will be read
    with ResultLog.open(path, key=dict(reversed(KEY.items()))) as log:
        assert log.done == {"写真": {"top1": True, "pair": [1, 2]}}
        log.add("b", 2)
    with ResultLog.open(path, key=KEY) as log:
        assert list(log.done) == ["写真", "b"]
    assert path.read_bytes().isascii()


def test_another_key_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ResultLog.open(path, key=KEY) as log:
        log.add("a", 1)
    with ResultLog.open(path, key={**KEY, "model": "m2"}) as log:
        assert log.done == {}
        log.add("b", 2)
    with ResultLog.open(path, key=KEY) as log:
        assert log.done == {}


def test_half_a_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ResultLog.open(path, key=KEY) as log:
        log.add("a", 1)
        log.add("b", 2)
    whole = path.read_bytes()
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        lines = whole[:end].count(b"\n")
        with ResultLog.open(path, key=KEY) as log:
            assert list(log.done) == ["a", "b"][: max(0, lines - 1)], end
            log.add("c", 3)
        with ResultLog.open(path, key=KEY) as log:
            assert list(log.done) == [*["a", "b"][: max(0, lines - 1)], "c"], end


def test_a_file_of_something_else_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text("[1, 2]\nno json\n", encoding="ascii")
    with ResultLog.open(path, key=KEY) as log:
        assert log.done == {}


def test_a_result_is_on_disk_before_the_next(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with ResultLog.open(path, key=KEY) as log:
        log.add("a", 1)
        assert path.read_text(encoding="ascii").splitlines()[-1] == '{"name": "a", "result": 1}'
