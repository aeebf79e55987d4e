"""The simulator's parts, one by one."""

from __future__ import annotations

import pytest

from whichpage.training.parts import PARTS, alone
from whichpage.training.simulator import SimulatorOptions

OPTIONS = SimulatorOptions(noise=0.03)


def test_parts_are_the_options_that_are_no_sizes() -> None:
    assert {"neighbour", "curl", "crumple", "fingers", "shadows", "defocus", "noise", "jpeg"} <= set(PARTS)
    assert not {"curl_height", "crumple_slope", "trim_size"} & set(PARTS)


@pytest.mark.parametrize("part", PARTS)
def test_one_part_is_always_at_work_and_no_other(part: str) -> None:
    chosen = alone(part, OPTIONS)
    for other in PARTS:
        strength = {"noise": 0.03, "defocus": OPTIONS.defocus}.get(part, 1.0) if other == part else 0.0
        assert getattr(chosen, other) == strength
    assert chosen.curl_height == OPTIONS.curl_height
    assert {getattr(alone(None, OPTIONS), other) for other in PARTS} == {0.0}
