"""A short turn of the load test: nothing lost, nothing refused, memory flat, health quick throughout."""

from __future__ import annotations

from pathlib import Path

from books import TINY_MODEL, make_pdf
from load import put_to_work, serving
from test_api_find import photo_of

from whichpage.library import Library

MB = 1_000_000


def test_a_server_under_load_loses_nothing_and_keeps_its_memory(tmp_path: Path) -> None:
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as library:
        library.add(make_pdf(tmp_path / "a.pdf", 8))
    photos = [photo_of(seed) for seed in range(4)]
    with serving(tmp_path / "library", "--model", str(TINY_MODEL)) as address:
        # The first ones fill what is kept for all that follow: models' buffers, threads, connections.
        put_to_work(address, photos, requests=8, clients=8)
        rounds = [put_to_work(address, photos, requests=16, clients=clients) for clients in (1, 16)]
    alone, crowd = rounds
    assert alone.statuses == {200: 16}
    # On a machine that is busy with other things, some may be told to come again: that is an answer too.
    assert crowd.statuses[200] + crowd.statuses[503] == 16
    assert crowd.statuses[200] >= 4
    for one in rounds:
        # However busy the machine is: nobody waits for a photo to learn that the server lives.
        assert one.health < one.seconds[0]
    assert max(rounds[-1].memory) - rounds[0].memory[0] < 80 * MB
