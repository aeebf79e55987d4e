"""Makes the screenshots of docs/web anew, and the icons from their drawings.

usage: python tests/web/screenshots.py        (in .venv-web, with chromium)
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from in_browser import (
    DESKTOP,
    PHONE,
    ROOT,
    camera_film,
    found,
    give,
    launch,
    make_library,
    opened,
    serving,
)
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

OUT = ROOT / "docs" / "web"
ICONS = ROOT / "src" / "whichpage" / "web" / "static" / "icons"
# drawing, picture, pixels
SIZES = [
    ("icon", "icon-192", 192),
    ("icon", "icon-512", 512),
    ("maskable", "maskable-512", 512),
    ("maskable", "apple-touch-icon", 180),
]
LOOKS: dict[str, dict[str, Any]] = {
    "phone-en-light": {**PHONE, "device_scale_factor": 2, "locale": "en-US", "color_scheme": "light"},
    "phone-ja-dark": {**PHONE, "device_scale_factor": 2, "locale": "ja-JP", "color_scheme": "dark"},
    "desktop-en-light": {**DESKTOP, "locale": "en-US", "color_scheme": "light"},
    "desktop-ja-dark": {**DESKTOP, "locale": "ja-JP", "color_scheme": "dark"},
}


def main() -> int:
    OUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        film = camera_film(Path(folder), "01-flat.jpg")
        fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        browser = launch(driver, *fake, f"--use-file-for-fake-video-capture={film}")
        draw_icons(browser)
        with serving(make_library(Path(folder))) as address:
            for name, look in LOOKS.items():
                with opened(browser, address, **look, permissions=["camera"]) as page:
                    show(page, name)
        browser.close()
    put_together(["camera", "answer", "not-found", "library"], "phone-en-light", "page")
    return 0


def draw_icons(browser: Browser) -> None:
    for drawing, picture, pixels in SIZES:
        page = browser.new_page(viewport={"width": pixels, "height": pixels})
        style = "<style>* { margin: 0 } svg { display: block; width: 100vw; height: 100vh }</style>"
        page.set_content(style + (ICONS / f"{drawing}.svg").read_text())
        page.screenshot(path=ICONS / f"{picture}.png", omit_background=True)
        page.close()


def show(page: Page, name: str) -> None:
    """Goes through the screens and keeps a picture of each."""
    page.add_init_script("localStorage.setItem('whichpage.auto', 'off')")
    page.goto("/")
    expect(page.locator(".sketch")).to_be_visible()
    keep(page, f"{name}-find")
    if page.viewport_size and page.viewport_size["width"] < 500:
        page.locator(".welcome .primary").click()
        expect(page.locator(".controls")).to_be_visible()
        page.wait_for_timeout(1500)  # until the camera has more than its first, black picture
        keep(page, f"{name}-camera")
    found(page, "03-sideways.jpg")
    keep(page, f"{name}-answer")
    found(page, "08-two-pages.jpg")
    keep(page, f"{name}-two-pages")
    give(page, "09-absent.jpg")
    expect(page.locator(".tips")).to_be_visible()
    keep(page, f"{name}-not-found")
    page.goto("/#/history")
    expect(page.locator(".history-list")).to_be_visible()
    keep(page, f"{name}-history")
    page.goto("/#/library")
    for cover in page.locator(".cover img").all():
        expect(cover).to_be_visible()
    keep(page, f"{name}-library")


def put_together(screens: list[str], look: str, name: str) -> None:
    """One picture of some screens side by side, for the documentation's first page."""
    pictures = [Image.open(OUT / f"{look}-{screen}.jpg") for screen in screens]
    width, height = 390, 844
    gap = 24
    sheet = Image.new("RGB", (len(pictures) * (width + gap) - gap, height), "white")
    for place, picture in enumerate(pictures):
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        sheet.paste(small, (place * (width + gap), 0))
    sheet.save(OUT / f"{name}.jpg", quality=85, optimize=True)


def keep(page: Page, name: str) -> None:
    """Writes a picture, as JPEG so that the repository stays small."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)  # pictures are decoded and faded in
    with Image.open(io.BytesIO(page.screenshot())) as image:
        image.convert("RGB").save(OUT / f"{name}.jpg", quality=80, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
