"""The fixtures of the tests in a browser: a plugin of pytest that their modules name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from in_browser import DESKTOP, INSECURE, launch, make_library, opened, serving
from playwright.sync_api import Browser, Page, Playwright, sync_playwright


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server with the demo's books."""
    with serving(make_library(tmp_path_factory.mktemp("served"))) as url:
        yield url


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    chromium = launch(playwright, f"--host-resolver-rules=MAP {INSECURE} 127.0.0.1")
    yield chromium
    chromium.close()


@pytest.fixture
def phone(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a phone, in English, light."""
    with opened(browser, address) as page:
        yield page


@pytest.fixture
def desktop(browser: Browser, address: str) -> Iterator[Page]:
    """The page on a desktop, in English, light."""
    with opened(browser, address, **DESKTOP) as page:
        yield page
