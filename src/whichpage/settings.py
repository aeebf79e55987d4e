"""The options that every command of `whichpage` takes, before or after the command's name."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])


@dataclass
class Settings:
    """What holds for every command; each option may stand before or after the command's name."""

    library: Path | None = None
    model: Path | None = None
    verbose: int = 0


def _set(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # Unset here does not undo what the other place set.
    if value and parameter.name:
        setattr(context.ensure_object(Settings), parameter.name, value)


def start_logging(settings: Settings) -> None:
    """Sends the log to standard error, as much of it as was asked for."""
    logging.basicConfig(
        level=(logging.WARNING, logging.INFO, logging.DEBUG)[min(settings.verbose, 2)],
        format="whichpage: %(message)s",
    )


_SHARED = (
    click.option(
        "-l",
        "--library",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        expose_value=False,
        callback=_set,
        help="The library's folder; else $WHICHPAGE_LIBRARY, else where the system keeps user data.",
    ),
    click.option(
        "--model",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_set,
        help="An encoder (ONNX) other than the shipped one.",
    ),
    click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_set,
        help="Say more on standard error; twice for every detail.",
    ),
)


def shared(command: _Command) -> _Command:
    """Adds the options of every command."""
    for option in reversed(_SHARED):
        command = option(command)
    return command
