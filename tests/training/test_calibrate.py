"""What confidence is learned from: a logistic fit, and the counts in its report."""

from __future__ import annotations

import itertools
import math
import re
import sys
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage import verify
from whichpage.findoptions import FindOptions
from whichpage.training.calibrate import (
    Evidence,
    Sample,
    fit,
    learn,
    learn_local,
    learn_resemblance,
    main,
    read,
    report,
    shipped,
    write,
)
from whichpage.warps import Placement


def samples(weights: list[float], *, count: int, seed: int = 0) -> list[Sample]:
    """Alignments that are right as often as a logistic model with these weights (bias first) says."""
    dice = np.random.RandomState(seed)
    made = []
    for number in range(count):
        numbers = dice.uniform(-1, 1, len(weights) - 1)
        logit = weights[0] + float(np.dot(weights[1:], numbers))
        right = bool(dice.uniform() < 1 / (1 + math.exp(-logit)))
        made.append(Sample(f"{number // 4}.jpg", f"a.pdf:{number}", numbers, 0, 0, right))
    return made


def fitted(made: Sequence[Sample], **options: float) -> NDArray[np.float64]:
    features, right = arrays(made)
    return fit(features, right, **options)


def arrays(made: Sequence[Sample]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return np.stack([one.measures for one in made]), np.array([one.right for one in made])


def test_fit_finds_the_weights_that_made_the_samples() -> None:
    true = [-0.7, 3.0, 1.0, 2.0]
    found = fitted(samples(true, count=20_000))
    np.testing.assert_allclose(found, true, atol=0.15)


def test_fit_is_where_the_gradient_is_zero() -> None:
    features, right = arrays(samples([0.3, 2.0, 1.0], count=200))
    weights = fit(features, right, ridge=0.5)
    middle, spread = features.mean(0), features.std(0)
    error = right - 1 / (1 + np.exp(-weights[0] - features @ weights[1:]))
    np.testing.assert_allclose(error @ (features - middle) / spread, 0.5 * weights[1:] * spread, atol=1e-6)
    assert error.sum() == pytest.approx(0.5 * (weights[0] + middle @ weights[1:]), abs=1e-6)


def test_fit_does_not_depend_on_the_units_of_its_features() -> None:
    """The penalty holds back what tells little, not what varies little."""
    features, right = arrays(samples([0.3, 2.0, 1.0], count=200))
    units, zeros = np.array([0.05, 40.0]), np.array([7.0, -300.0])
    weights, other = fit(features, right, ridge=5.0), fit(features * units + zeros, right, ridge=5.0)
    np.testing.assert_allclose(other[1:] * units, weights[1:])
    assert other[0] + zeros @ other[1:] == pytest.approx(weights[0])


def test_no_feature_counts_against_a_page() -> None:
    """One that would is left out, and the others are fitted without it."""
    made = samples([0.0, 3.0, -2.0], count=3000)
    features, right = arrays(made)
    found = fit(features, right)
    assert found[2] == 0
    alone = fit(features[:, :1], right)
    np.testing.assert_allclose(found[:2], alone, atol=1e-6)


def test_text_and_local_features_are_learned_apart_and_as_verify_computes_them() -> None:
    """Where lines or features agree, their number tells right from wrong; else looks alone count."""
    dice = np.random.RandomState(4)
    measures = dice.uniform(-1, 1, (6000, 6))
    kind = dice.randint(0, 3, 6000)
    lines = np.where(kind == 1, dice.randint(1, 16, 6000), 0)
    local = np.where(kind == 2, dice.randint(6, 100, 6000), 0)
    by_looks = -0.5 + measures @ np.array([1.0, 0.0, 2.0, 1.0, 0.5, -1.5])
    logit = np.where(lines > 0, -4 + 0.3 * by_looks + 3 * np.log1p(lines), by_looks)
    logit = np.where(local > 0, -9 + 0.5 * by_looks + 2.5 * np.log1p(local), logit)
    alike = unasked(6000)
    right = dice.uniform(size=6000) < 1 / (1 + np.exp(-logit))
    learned = learn(Evidence(measures, lines, local, alike), right, np.arange(6000) % 2 == 1)
    assert learned.text[2] == pytest.approx(3, abs=0.5)
    assert learned.local[2] == pytest.approx(2.5, abs=0.5)
    weights = {
        "calibration": verify.Calibration(*learned.looks),
        "text": verify.TextCalibration(*learned.text),
        "local": verify.FeatureCalibration(*learned.local),
    }
    for row in range(12):
        alignment = aligned(measures[row])
        one = slice(row, row + 1)
        seen = Evidence(verify.measures(alignment)[None], lines[one], local[one], alike[one])
        counts = {"lines": int(lines[row]), "features": int(local[row])}
        found = verify.confidence(alignment, **counts, **weights)  # type: ignore[arg-type]
        assert found == pytest.approx(learned(seen)[0])


def test_local_features_are_learned_by_themselves() -> None:
    """Their weights alone: looks and text keep what `verify` has."""
    dice = np.random.RandomState(5)
    measures = dice.uniform(0, 1, (6000, 6))
    local = dice.randint(6, 100, 6000)
    looks = verify.CALIBRATION.bias + measures @ np.array(astuple(verify.CALIBRATION)[1:])
    logit = -8 + 0.4 * looks + 2 * np.log1p(local)
    right = dice.uniform(size=6000) < 1 / (1 + np.exp(-logit))
    learned = learn_local(Evidence(measures, np.zeros(6000, int), local, unasked(6000)), right)
    np.testing.assert_allclose(learned.local, [-8, 0.4, 2], rtol=0.2)
    np.testing.assert_array_equal(learned.looks, astuple(verify.CALIBRATION))
    np.testing.assert_array_equal(learned.text, astuple(verify.TEXT_CALIBRATION))


def test_the_resemblance_is_learned_where_the_encoder_was_asked_on_top_of_all_else() -> None:
    dice = np.random.RandomState(8)
    measures, lines = dice.uniform(0, 1, (9000, 6)), np.maximum(dice.randint(-3, 4, 9000), 0)
    alike = dice.uniform(0, 1, 9000)
    none = np.zeros(9000, int)
    without = Evidence(measures, lines, none, unasked(9000))
    known = shipped().otherwise(without)
    logit = -6 + 0.7 * known + 8 * alike + 1.5 * (lines > 0)
    right = dice.uniform(size=9000) < 1 / (1 + np.exp(-logit))
    # Of these finding asks the encoder nothing, or it does not tell, and they would teach nonsense.
    alike[::5] = np.nan
    sure = 1 / (1 + np.exp(-known))
    beyond = (sure < FindOptions().hopeless) | (sure >= FindOptions().doubtless)
    assert 0.1 < beyond.mean() < 0.8
    right[::5] = False
    right[beyond] = False
    learned = learn_resemblance(Evidence(measures, lines, none, alike), right, shipped())
    np.testing.assert_allclose(learned.alike, [-6, 0.7, 8, 1.5], rtol=0.2)
    # Nor does it count there.
    seen = Evidence(measures, lines, none, alike)
    np.testing.assert_array_equal(learned(seen)[beyond], sure[beyond])
    assert (learned(seen) != sure)[~beyond & ~np.isnan(alike)].all()
    for kept, known in ((learned.looks, shipped().looks), (learned.text, shipped().text)):
        np.testing.assert_array_equal(kept, known)
    nothing = learn_resemblance(without, right, shipped())
    np.testing.assert_array_equal(nothing.alike, shipped().alike)


def test_what_ships_is_what_verify_computes() -> None:
    for lines, features, alike in (
        (0, 0, None),
        (3, 0, None),
        (0, 40, None),
        (2, 0, 0.9),
        (0, 40, 0.3),
    ):
        alignment = aligned(np.array([0.5, 0.6, 0.75, 0.2, 0.8, 1.2]))
        otherwise = verify.confidence(alignment, lines=lines, features=features)
        assert alike is None or FindOptions().hopeless < otherwise < FindOptions().doubtless
        sample = Sample("a.jpg", "a.pdf:1", verify.measures(alignment), lines, features, True, alike)
        found = verify.confidence(alignment, lines=lines, features=features, resemblance=alike)
        assert shipped()(Evidence.of([sample]))[0] == pytest.approx(found)


def test_both_constants_are_reported_of_alignments_that_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Those that are learned here, and those that `verify` has."""
    dice = np.random.RandomState(7)
    made: list[Sample] = []
    for folder in ("books", "vertical"):
        photos = [f"{number}.jpg" for number in range(40)]
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "truth.csv").write_text("\n".join(["photo", *photos]))
        for photo, right in itertools.product(photos, (False, True)):
            measures = dice.uniform(0.1, 0.5, 6) + 0.4 * right
            made.append(Sample(f"{folder}/{photo}", "a.pdf:1", measures, 2 * right, 0, right))
            alike = dice.uniform(0.2, 0.7) + 0.3 * right
            made.append(Sample(f"{folder}/{photo}", "a.pdf:1", measures, 0, 10 + 20 * right, right, alike))
    write(tmp_path / "kept.csv", made)
    made = read(tmp_path / "kept.csv")
    sets = [str(tmp_path / name) for name in ("books", "library", "vertical", "library")]
    kept = ["--alignments", str(tmp_path / "kept.csv"), "--diagram", str(tmp_path / "sure.png")]
    monkeypatch.setattr(sys, "argv", ["calibrate", *sets, *kept])
    main()
    parts = re.split(r"(?:^|\n)(\w+, \w+):\n", capsys.readouterr().out.strip())
    tables = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(tables) == [
        f"{by}, {of}" for by in ("learned", "shipped") for of in ("books", "vertical", "all")
    ]
    known = report(made, shipped()(Evidence.of(made)), sorted({one.photo for one in made}))
    assert tables["shipped, all"] == known
    assert tables["learned, all"] != known
    assert all((tmp_path / f"sure-{by}.png").stat().st_size for by in ("learned", "shipped"))


def test_folders_of_one_name_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Else the photos of one would be taken for those of the other."""
    monkeypatch.setattr(sys, "argv", ["calibrate", "a/photos", "library", "b/photos", "library"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "must have different names" in capsys.readouterr().err


def test_what_was_measured_is_kept(tmp_path: Path) -> None:
    measures = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.625])
    made = [
        Sample("a/1.jpg", "b.pdf:2", measures, 3, 0, True, 0.875),
        Sample("a/1.jpg", "c, d.pdf:4", measures / 2, 0, 40, False, -0.25),
        Sample("a/2.jpg", "b.pdf:2", -measures, 0, 0, False, None),
        Sample("a/3.jpg", "b.pdf:2", measures, 1, 0, False, 0.0),
    ]
    write(tmp_path / "kept.csv", made)
    found = read(tmp_path / "kept.csv")
    for one, other in zip(made, found, strict=True):
        np.testing.assert_allclose(other.measures, one.measures)
        assert replace(other, measures=one.measures) == one


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kept.csv").write_text("a.jpg,b.pdf:1,1,0,0,0.1,0.2,0.3,0.4,0.5,0.6\n")
    with pytest.raises(SystemExit, match=r"11 columns, not 12"):
        read(tmp_path / "kept.csv")


def unasked(count: int) -> NDArray[np.float64]:
    """The resemblance of alignments of which the encoder was not asked."""
    return np.full(count, np.nan)


CORNERS = np.array([[0, 0], [9, 0], [9, 9], [0, 9]], np.float32)
NOWHERE = Placement.flat(CORNERS, size=verify.PAGE_SIZE)


def aligned(numbers: NDArray[np.float64]) -> verify.Alignment:
    correlation, agreeing, textured, lead, covered, scatter = np.abs(numbers)
    return verify.Alignment(0.5, correlation, agreeing, 40 * textured, lead, covered, scatter, NOWHERE)


def test_report_counts_photos_by_their_best_page() -> None:
    def one(photo: str, confidence: float, *, right: bool) -> Sample:
        return Sample(photo, "a.pdf:1", np.array([confidence]), 0, 0, right)

    made = [
        one("a", 0.97, right=True),
        one("a", 0.6, right=False),
        one("b", 0.85, right=True),
        one("b", 0.96, right=False),
        one("b", 0.2, right=False),
        one("c", 0.002, right=False),
        one("d", 0.9995, right=True),
    ]
    # Of "e" nothing was laid over the photo: it is accepted neither way, and counts all the same.
    text = report(made, np.array([one.measures[0] for one in made]), ["a", "b", "c", "d", "e"])
    lines = [line.split() for line in text.splitlines()]
    table = {
        line[0]: (float(line[1]), float(line[2]))
        for line in lines[lines.index(["threshold", "present", "accepted", "absent", "accepted"]) + 1 :]
    }
    assert table["0.500"] == (3 / 5, 2 / 5)
    assert table["0.900"] == (2 / 5, 1 / 5)
    assert table["0.980"] == (1 / 5, 0.0)
    assert table["0.999"] == (1 / 5, 0.0)
    bins = {line[0]: line[1:] for line in lines[1:] if "-" in line[0]}
    assert float(bins["0.900-0.990"][0]) == 2
    assert float(bins["0.900-0.990"][1]) == pytest.approx((0.97 + 0.96) / 2, abs=1e-3)
    assert float(bins["0.900-0.990"][2]) == 0.5
