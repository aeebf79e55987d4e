"""The Python client of docs/web.md, run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
from running import DEMO, running

from whichpage.library import Library

pytest_plugins = ["api_fixtures"]

TEXT = (Path(__file__).parents[2] / "docs" / "web.md").read_text(encoding="utf-8")


def example() -> str:
    found = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert found
    return found.group(1)


def test_the_example_finds_a_page(demo_library: Library) -> None:
    key = "0123456789abcdef"
    photo = str(DEMO / "photos" / "05-written-on.jpg")
    with running(demo_library, key=key) as client:
        done = subprocess.run(
            [sys.executable, "-c", example(), str(client.base_url.join("/")), photo],
            env={**os.environ, "WHICHPAGE_KEY": key},
            capture_output=True,
            text=True,
            check=True,
        )
    assert done.stdout.startswith(f"{photo} kanbun-ja 4 ")
    assert len(re.findall(r"\S+\n", example())) == 10


def test_every_route_is_documented(demo: httpx.Client) -> None:
    for path in demo.get("openapi.json").json()["paths"]:
        assert re.search(rf"`(?:[^`]* )?{re.escape(path.removeprefix('/api/v1'))}[?`]", TEXT), path
