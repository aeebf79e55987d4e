"""The parts of the simulator by name, to show each by itself and to train without it."""

from __future__ import annotations

from dataclasses import fields, replace

from whichpage.training.simulator import SimulatorOptions

# A field named `curl_height` says how large the part `curl` is; those without are the parts.
PARTS = tuple(field.name for field in fields(SimulatorOptions) if "_" not in field.name)
# These are strengths; the others are probabilities.
_STRENGTHS = ("defocus", "noise")


def alone(part: str | None, options: SimulatorOptions) -> SimulatorOptions:
    """The simulator with one part always at work and no other; None for none at all."""
    chosen = dict.fromkeys(PARTS, 0.0)
    if part is not None:
        chosen[part] = getattr(options, part) if part in _STRENGTHS else 1.0
    return replace(options, **chosen)
