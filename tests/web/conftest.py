"""The fixtures of the tests in a browser."""

from __future__ import annotations

from browser_fixtures import address, browser, desktop, phone, playwright

__all__ = ["address", "browser", "desktop", "phone", "playwright"]
