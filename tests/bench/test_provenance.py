"""Provenance: two reports have the same digests when, and only when, they come from the same things."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import pytest

import whichpage
from whichpage.benchmark import provenance
from whichpage.benchmark.provenance import digest_bytes, digest_files, digest_texts


def test_digests_see_content_order_and_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(b"12")
    b.write_bytes(b"3")
    length = (2).to_bytes(8, "big")
    assert digest_files([a]) == hashlib.sha256(length + b"12").hexdigest()[:16]
    assert digest_files([a, b]) != digest_files([b, a])
    assert digest_files([a, b]) != digest_files([a])
    before = digest_files([a, b], below=tmp_path)
    assert before != digest_files([a, b])
    renamed = a.rename(tmp_path / "c")
    assert digest_files([renamed, b]) == digest_files([renamed, b])
    assert digest_files([renamed, b], below=tmp_path) != before


def test_texts_are_told_apart_by_their_borders() -> None:
    assert digest_texts(["ab", "c"]) != digest_texts(["a", "bc"])
    assert digest_texts(["é\udcff"]) == digest_texts(["é\udcff"])  # a file name that is no UTF-8
    assert digest_bytes(b"x") == hashlib.sha256(b"x").hexdigest()[:16]


def test_what_a_report_says(tmp_path: Path) -> None:
    model = tmp_path / "m.onnx"
    model.write_bytes(b"model")
    origin = provenance.provenance(models={"encoder": model}, data="d", command="whichpage bench x")
    assert origin.models == {"encoder": digest_files([model])}
    assert origin.key() == {"code": origin.code, "data": "d", "encoder": digest_files([model])}
    assert origin.key(but=["encoder"]) == {"code": origin.code, "data": "d"}
    rows = dict(origin.rows())
    assert rows["command"] == "whichpage bench x"
    assert set(origin.machine) == {"processor", "cores", "memory", "system", "python"}
    assert all(rows[name] for name in origin.machine)


def git(folder: Path, *words: str) -> str:
    settings = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    done = subprocess.run(
        ["git", "-C", str(folder), *settings, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_commit_and_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_PACKAGE", tmp_path)
    assert provenance.commit() == whichpage.__version__  # no repository
    git(tmp_path, "init", "-q")
    (tmp_path / "a.py").write_text("1\n", encoding="ascii")
    git(tmp_path, "add", "a.py")
    git(tmp_path, "commit", "-qm", "one")
    head = git(tmp_path, "rev-parse", "--short=12", "HEAD")
    assert provenance.commit() == head
    (tmp_path / "a.py").write_text("2\n", encoding="ascii")
    assert provenance.commit() == f"{head}+"


def test_own_models_are_all_that_finding_loads(tmp_path: Path) -> None:
    shipped = provenance.own_models(None)
    models = Path(whichpage.__file__).parent / "models"
    assert sorted(shipped.values()) == sorted(models.glob("*.onnx"))
    other = provenance.own_models(tmp_path / "encoder.onnx")
    assert other == shipped | {"encoder": tmp_path / "encoder.onnx"}
