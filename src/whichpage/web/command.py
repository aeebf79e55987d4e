"""`whichpage serve`: options, and nothing that is slow to load."""

from __future__ import annotations

import click

from whichpage.lazy import needs_extra
from whichpage.settings import Settings, shared


@click.command()
@click.option("--host", metavar="ADDRESS", help="Address to listen on; else all of this computer's.")
@click.option("--port", type=click.IntRange(1, 65535), metavar="N", help="Port to listen on; else 8765.")
@click.option(
    "--key",
    metavar="KEY",
    envvar="WHICHPAGE_KEY",
    help="The access key; else $WHICHPAGE_KEY, else the kept one. On loopback without a name none is needed.",
)
@click.option("--new-key", is_flag=True, help="Make a new access key and keep it; the old one opens no more.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A host name that leads here.")
@click.option("--tls", is_flag=True, help="Speak HTTPS, so that phones let the page use the live camera.")
@shared
@click.pass_context
def serve(
    context: click.Context,
    host: str | None,
    port: int | None,
    key: str | None,
    new_key: bool,
    names: tuple[str, ...],
    tls: bool,
) -> None:
    """Serve the library to phones and programs; Ctrl-C ends it.

    Prints the address and, on a terminal, a QR code for the phone.
    """
    with needs_extra("web"):
        from whichpage.web.server import Wishes, run
    settings = context.ensure_object(Settings)
    run(settings, Wishes(host=host, port=port, key=key, names=names, tls=tls, new_key=new_key))
