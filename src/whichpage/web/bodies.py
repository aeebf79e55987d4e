"""Bodies of requests, streamed: a part of a multipart form, or the raw bytes; never more than is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request
from starlette.types import Receive

from whichpage.web.problems import BadUpload, TooLarge, TooSlow, UnsupportedMedia

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

Write = Callable[[bytes], Awaitable[object]]

_FORM = b"multipart/form-data"
# Boundaries and headers of the parts beside the one that is wanted.
_FORM_BYTES = 64 << 10
# A refused body is read to its end if that is near: many clients see the answer only then.
_DRAIN_BYTES, _DRAIN_SECONDS = 64 << 20, 10.0


@dataclass(frozen=True)
class Limits:
    """Of a body: its bytes, and how many seconds its sender may pause."""

    size: int
    idle: float


async def read_part(request: Request, name: str, write: Write, *, limits: Limits) -> str:
    """Streams the file in the field `name` of a multipart form to `write`; returns the file's name.

    Raises:
        UnsupportedMedia: the body is no multipart form.
        BadUpload: it is a broken one, or has no such field with a file.
        TooLarge, TooSlow: it is beyond the limits.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != _FORM:
        raise UnsupportedMedia(f"the body must be multipart/form-data with the file in the field {name!r}")
    part = _Part(name)
    try:
        parser = MultipartParser(options.get(b"boundary", b""), part.callbacks())
        if not options.get(b"boundary"):
            raise BadUpload("the multipart form names no boundary")
        async for chunk in _chunks(request, Limits(limits.size + _FORM_BYTES, limits.idle)):
            parser.write(chunk)
            if data := part.take():
                await write(data)
        parser.finalize()
    except FormParserError:
        raise BadUpload("the multipart form is broken") from None
    if part.found is None:
        raise BadUpload(f"the multipart form has no file in the field {name!r}")
    if not part.ended:
        raise BadUpload("the multipart form is broken: it ends within a part")
    return part.found


async def read_raw(request: Request, write: Write, *, limits: Limits) -> None:
    """Streams the body as it is; raises TooLarge and TooSlow."""
    async for chunk in _chunks(request, limits):
        await write(chunk)


async def drain(receive: Receive) -> None:
    """Reads what a sender still has to say, so that it listens to the answer; not endlessly."""
    left = _DRAIN_BYTES
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body"):
                    return
    except TimeoutError:
        return


async def _chunks(request: Request, limits: Limits) -> AsyncIterator[bytes]:
    most = f"at most {limits.size / 1e6:,.0f} MB are taken"
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limits.size:
        await drain(request.receive)
        raise TooLarge(f"the upload has {int(announced) / 1e6:,.0f} MB; {most}")
    received = 0
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(limits.idle):
                chunk = await anext(stream)
        except TimeoutError:
            raise TooSlow(f"nothing came for {limits.idle:.0f} seconds") from None
        except StopAsyncIteration:
            return
        received += len(chunk)
        if received > limits.size:
            await drain(request.receive)
            raise TooLarge(f"the upload is too large; {most}")
        if chunk:
            yield chunk


@dataclass
class _Part:
    """What the parser has found of the field `name` so far.

    found: the file's name, once its headers have been read. ended: whether all of it has come.
    """

    name: str
    found: str | None = None
    ended: bool = False
    _wanted: bool = False
    _header: bytes = b""
    _value: bytes = b""
    _headers: dict[bytes, bytes] = field(default_factory=dict)
    _data: list[bytes] = field(default_factory=list)

    def take(self) -> bytes:
        """The bytes that have come since it was asked last."""
        data, self._data = b"".join(self._data), []
        return data

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._add_field,
            "on_header_value": self._add_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end,
        }

    def _begin(self) -> None:
        self._headers, self._header, self._value = {}, b"", b""

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        is_it = options.get(b"name") == self.name.encode() and b"filename" in options
        if is_it and self.found is not None:
            raise BadUpload(f"the multipart form has several files in the field {self.name!r}; send one")
        self._wanted = is_it
        if is_it:
            self.found = options[b"filename"].decode(errors="replace")

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._wanted:
            self._data.append(data[start:end])

    def _end(self) -> None:
        self.ended |= self._wanted
        self._wanted = False
