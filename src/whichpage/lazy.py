"""Commands in packages of their own, loaded when they are asked for, and the extras that they need."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from whichpage.errors import WhichpageError


class LazyGroup(click.Group):
    """A group of which some commands live elsewhere: `elsewhere` maps their names to "module:attribute".

    Such a module is imported when its command is run or its help is shown, so that the others start
    no later for it. It must itself import nothing of an extra before its command runs.
    """

    def __init__(self, *args: Any, elsewhere: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.elsewhere = elsewhere

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *self.elsewhere})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.elsewhere:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.elsewhere[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        assert isinstance(command, click.Command)
        return command


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Surrounds the imports of an extra's packages.

    Raises:
        WhichpageError: one of them is not installed; the sentence says what to install.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] == "whichpage":
            raise
        raise WhichpageError(
            f"{error.name} is not installed: `pip install 'whichpage[{extra}]'` brings what this needs"
        ) from error
