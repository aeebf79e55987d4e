"""The wire between the adding process and its workers."""

from __future__ import annotations

import io

import pytest

from whichpage.tasks import Beat, Failed, receive, send


def test_messages_cross_the_wire_whole() -> None:
    pipe = io.BytesIO()
    messages = [Beat(7), Failed("x" * 100_000), [b"\0\n" * 50_000]]
    for message in messages:
        send(pipe, message)
    pipe.seek(0)
    assert [receive(pipe) for _ in messages] == messages
    with pytest.raises(EOFError):
        receive(pipe)
