"""Runs the server: takes the port, says where it is, and ends cleanly when it is told to."""

from __future__ import annotations

import logging
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import StringIO

import segno
import uvicorn

from whichpage import terminal
from whichpage.errors import WhichpageError
from whichpage.library import Library
from whichpage.settings import Settings, start_logging
from whichpage.web import addresses, kept, tls
from whichpage.web.app import create_app
from whichpage.web.guard import own_names
from whichpage.web.options import ServeOptions

# A find takes seconds at most; longer ones are those of clients that hang.
_GRACE_SECONDS = 5
_BACKLOG = 256
_WHITE_ON_BLACK, _PLAIN = "\x1b[97;40m", "\x1b[0m"


class ServeError(WhichpageError):
    """The server cannot be started as asked."""


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None where the default is to hold."""

    host: str | None
    port: int | None
    key: str | None
    names: tuple[str, ...]
    tls: bool
    new_key: bool = False


def run(settings: Settings, wishes: Wishes) -> None:
    """Serves until it is told to stop by SIGINT or SIGTERM.

    Raises:
        ServeError: the address cannot be listened on, or the key is none.
        WhichpageError: the library or a model cannot be opened or used.
    """
    start_logging(settings)
    options = choose(wishes)
    with (
        listening(options) as listener,
        Library.open(settings.library, model=settings.model, create=True) as library,
    ):
        # Before anybody asks: a model that cannot be loaded is said here, and the first photo is no slower.
        library.finder()
        certificate = tls.certificate(_certified(options)) if options.tls else None
        server = Server(library, options, certificate)
        announce(options)
        if certificate:
            terminal.say(f"certificate (SHA-256): {certificate.fingerprint}")
        terminal.say("stop with Ctrl-C")
        sys.stdout.flush()
        _serve(server, listener)


def choose(wishes: Wishes) -> ServeOptions:
    """The options that the wishes mean; a key where others can reach the server, by a proxy too.

    Raises:
        ServeError: the host cannot be resolved, or the key is none.
    """
    defaults = ServeOptions()
    host, port = wishes.host or defaults.host, wishes.port or defaults.port
    try:
        alone = addresses.is_loopback(host)
    except (OSError, ValueError):
        raise ServeError(f"{host} is no address of this computer") from None
    # A name by which others call it means that something hands on to loopback what they ask.
    alone = alone and all(addresses.names_loopback(name) for name in wishes.names)
    given = wishes.key
    if given is not None and not kept.is_key(given):
        raise ServeError(f"the key must have {kept.KEY_LENGTH} or more letters and digits (ASCII)")
    key = given or (None if alone else kept.access_key(new=wishes.new_key))
    return replace(defaults, host=host, port=port, key=key, names=wishes.names, tls=wishes.tls)


@contextmanager
def listening(options: ServeOptions) -> Iterator[socket.socket]:
    """A socket on the address and port, taken before anything is said or loaded.

    Raises:
        ServeError: another program has it, or this computer has no such address.
    """
    family, kind, _, _, address = socket.getaddrinfo(options.host, options.port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as listener:
        if sys.platform != "win32":
            # There it would let two servers take one port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(_BACKLOG)
        except OSError as error:
            raise ServeError(
                f"cannot listen on {addresses.in_url(options.host)}:{options.port}:"
                f" {(error.strerror or str(error)).lower()}; choose another with `--port`"
            ) from None
        yield listener


def announce(options: ServeOptions) -> None:
    """Prints where the server is, and on a terminal the QR code that leads a phone there."""
    links = _links(options)
    for link in links:
        terminal.say(link)
    if options.key is not None and sys.stdout.isatty():
        terminal.draw(qr(links[0], blocks=_draws_blocks(sys.stdout.encoding)))


def qr(link: str, *, blocks: bool) -> str:
    """A QR code for a terminal, in half blocks or, where they cannot be written, in colours alone."""
    drawn = StringIO()
    segno.make(link, error="l", micro=False).terminal(drawn, compact=blocks, border=2)
    if not blocks:
        return drawn.getvalue()
    # White on black also where the terminal is black on white: not every phone reads a negative.
    return "\n".join(f"{_WHITE_ON_BLACK}{line}{_PLAIN}" for line in drawn.getvalue().splitlines())


def _links(options: ServeOptions) -> list[str]:
    """Where the page is, the best address for a phone first."""
    unspecified = options.host in ("0.0.0.0", "::")
    hosts = [*options.names, *(addresses.local_addresses() if unspecified else [options.host])]
    scheme = "https" if options.tls else "http"
    query = f"?key={options.key}" if options.key else ""
    return [f"{scheme}://{addresses.in_url(host)}:{options.port}/{query}" for host in hosts or ["127.0.0.1"]]


def _certified(options: ServeOptions) -> list[str]:
    """The names and addresses that the certificate must hold for."""
    mine = ["localhost", "127.0.0.1", "::1", *sorted(own_names()), *addresses.local_addresses()]
    own = [] if options.host in ("0.0.0.0", "::") else [options.host]
    return list(dict.fromkeys([*options.names, *own, *mine]))


def _draws_blocks(encoding: str | None) -> bool:
    try:
        "▀▄█".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


class Server(uvicorn.Server):
    """The application under Uvicorn.

    It is told that it is to end before its open answers are waited for, some of which are endless. What keeps
    it from starting is raised by `run`.
    """

    def __init__(
        self, library: Library, options: ServeOptions, certificate: tls.Certificate | None = None
    ) -> None:
        self._closing = threading.Event()
        self._app = create_app(library, options, self._closing)
        config = uvicorn.Config(
            self._app,
            lifespan="off",  # begun and ended in `serve`: Uvicorn would print a traceback and exit with 3
            log_config=None,
            access_log=False,  # it would log the key with the query
            server_header=False,
            # The address of who asks is looked at nowhere, so nobody need be believed about it.
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
            ssl_certfile=certificate.certificate if certificate else None,
            ssl_keyfile=certificate.key if certificate else None,
        )
        super().__init__(config)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        async with self._app.router.lifespan_context(self._app):
            await super().serve(sockets=sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._closing.set()
        await super().shutdown(sockets=sockets)


def _serve(server: uvicorn.Server, listener: socket.socket) -> None:
    def stop(*_: object) -> None:
        server.should_exit = True

    # While it starts, and after: Uvicorn ends cleanly and then raises the signal again. To be stopped is
    # no failure here.
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    # Its own notes are for those who develop it.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, logging.getLogger().level))
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    terminal.say("stopped")
