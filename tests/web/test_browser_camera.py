"""The live camera: Chromium's fake one, which films a photo of the demo."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from in_browser import camera_film, launch, opened, until
from playwright.sync_api import Page, Playwright, Route, expect

pytest_plugins = ["browser_fixtures"]


@contextmanager
def filming(playwright: Playwright, address: str, film: Path) -> Iterator[Page]:
    """The page on a phone whose camera films `film`."""
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    browser = launch(playwright, *flags, f"--use-file-for-fake-video-capture={film}")
    try:
        with opened(browser, address, permissions=["camera"]) as page:
            yield page
    finally:
        browser.close()


@pytest.fixture
def paper(playwright: Playwright, address: str, tmp_path: Path) -> Iterator[Page]:
    """The camera is held over page 3 of testmath."""
    with filming(playwright, address, camera_film(tmp_path, "01-flat.jpg")) as page:
        yield page


def start(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator(".finder")).to_have_attribute("data-state", "live")


def asked(page: Page) -> list[str]:
    """The photos that are sent from now on."""
    urls: list[str] = []
    page.on("request", lambda one: urls.append(one.url) if one.url.endswith("/find") else None)
    return urls


def test_the_camera_looks_by_itself_until_a_page_is_verified(paper: Page) -> None:
    sent = asked(paper)
    start(paper)
    expect(paper.locator("h1")).to_have_text("Page 3")
    expect(paper.locator(".answer-book")).to_have_text("testmath")
    expect(paper.locator(".page-outline")).to_have_count(1)
    # It stopped: no more is sent, and the camera is let go.
    number = len(sent)
    assert number >= 1
    paper.wait_for_timeout(2000)
    assert len(sent) == number
    # The same page once more is no news; the reader is told to turn to another.
    paper.get_by_role("link", name="Find").click()
    expect(paper.locator(".finder-status")).to_have_text("This is still page 3. Turn to another")


def test_an_open_book_is_no_news_while_both_its_pages_are_known(paper: Page) -> None:
    # Answers are made up: of two pages, now one, now the other is the surer one.
    def match(page: int) -> dict[str, object]:
        made = {"source": "a.pdf", "page": page, "verified": True, "confidence": 0.97, "file": None}
        quad = [[1, 2], [60, 2], [60, 90], [1, 90]]
        return {**made, "text": None, "quad": quad, "book": {"id": 1, "title": "A", "pages": 99}}

    seen = [[12, 13], [13], [13, 12], [12], [12, 14]]

    def answer(route: Route) -> None:
        pages = seen.pop(0) if len(seen) > 1 else seen[0]
        found = {"photo": "camera.jpg", "status": "found", "seconds": 0.1, "width": 64, "height": 96}
        route.fulfill(json={**found, "matches": [match(page) for page in pages]})

    paper.route(re.compile("/find$"), answer)
    start(paper)
    expect(paper.locator(".match-tab")).to_have_text(["Page 12", "Page 13"])
    paper.get_by_role("link", name="Find").click()
    expect(paper.locator(".match-tab")).to_have_text(["Page 12", "Page 14"])
    assert len(seen) == 1


def test_the_shutter_takes_one_photo(paper: Page) -> None:
    paper.add_init_script("localStorage.setItem('whichpage.auto', 'off')")
    sent = asked(paper)
    start(paper)
    expect(paper.locator(".finder-status")).to_have_text(
        "Fill the frame with the page, then press the shutter"
    )
    assert sent == []
    paper.get_by_role("button", name="Take the photo").click()
    expect(paper.locator("h1")).to_have_text("Page 3")
    assert len(sent) == 1
    paper.get_by_role("link", name="History").click()
    expect(paper.locator(".history-words strong")).to_have_text(["Page 3"])


def test_automatic_looking_can_be_turned_off_and_on_and_the_camera_stopped(
    playwright: Playwright, address: str, tmp_path: Path
) -> None:
    with filming(playwright, address, camera_film(tmp_path, "09-absent.jpg")) as page:
        sent = asked(page)
        start(page)
        auto = page.get_by_role("button", name=re.compile("^Auto"))
        expect(auto).to_have_attribute("aria-pressed", "true")
        # Nothing to be found here: it goes on looking.
        with page.expect_request(lambda one: one.url.endswith("/find") and len(sent) >= 2):
            pass
        auto.click()
        expect(auto).to_have_attribute("aria-pressed", "false")
        number = len(sent)
        page.wait_for_timeout(1500)
        assert len(sent) == number
        auto.click()
        expect(auto).to_have_attribute("aria-pressed", "true")
        page.get_by_role("button", name="Stop the camera").click()
        expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
        assert page.evaluate("document.querySelector('video').srcObject") is None


def see(page: Page, *, hidden: bool) -> None:
    """As if the reader went to another app, or came back."""
    page.evaluate(
        """(hidden) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_the_camera_comes_back_with_the_reader_and_its_lamp_is_off(paper: Page) -> None:
    paper.add_init_script(
        """localStorage.setItem("whichpage.auto", "off");
        MediaStreamTrack.prototype.getCapabilities = () => ({ torch: true });
        MediaStreamTrack.prototype.applyConstraints = () => Promise.resolve();"""
    )
    start(paper)
    lamp = paper.get_by_role("button", name="Light", exact=True)
    lamp.click()
    expect(lamp).to_have_attribute("aria-pressed", "true")
    see(paper, hidden=True)
    assert paper.evaluate("document.querySelector('video').srcObject") is None
    see(paper, hidden=False)
    expect(paper.locator(".finder")).to_have_attribute("data-state", "live")
    assert paper.evaluate("document.querySelector('video').srcObject.active")
    expect(lamp).to_have_attribute("aria-pressed", "false")
    # One that the reader stopped stays so.
    paper.get_by_role("button", name="Stop the camera").click()
    see(paper, hidden=True)
    see(paper, hidden=False)
    paper.wait_for_timeout(500)
    expect(paper.get_by_role("button", name="Start the camera")).to_be_visible()


def test_the_camera_comes_back_after_a_photo_that_was_being_looked_up(paper: Page) -> None:
    paper.add_init_script("localStorage.setItem('whichpage.auto', 'off')")
    paper.route(re.compile("/find$"), lambda route: None)  # an answer that never comes
    start(paper)
    paper.get_by_role("button", name="Take the photo").click()
    expect(paper.locator(".finder")).to_have_attribute("data-state", "working")
    see(paper, hidden=True)
    see(paper, hidden=False)
    expect(paper.locator(".finder")).to_have_attribute("data-state", "working")
    paper.get_by_role("button", name="Cancel").click()
    expect(paper.locator(".finder")).to_have_attribute("data-state", "live")
    assert paper.evaluate("document.querySelector('video').srcObject.active")


def test_what_went_wrong_can_be_tried_again_while_the_camera_is_live(paper: Page) -> None:
    paper.add_init_script("localStorage.setItem('whichpage.auto', 'off')")
    refusal = {"title": "Unprocessable Content", "status": 422, "detail": "no photo"}
    paper.route(re.compile("/find$"), lambda route: route.fulfill(status=422, json=refusal))
    start(paper)
    paper.get_by_role("button", name="Take the photo").click()
    problem = paper.locator(".finder-problem")
    expect(problem).to_contain_text("no photo")
    expect(paper.locator(".finder")).to_have_attribute("data-state", "live")
    with paper.expect_request(re.compile("/find$")):
        problem.get_by_role("button", name="Try again").click()
    expect(problem).to_contain_text("no photo")
    # Looking by itself is a new beginning: what went wrong before is no longer said.
    paper.unroute(re.compile("/find$"))
    paper.route(re.compile("/find$"), lambda route: None)
    paper.get_by_role("button", name=re.compile("^Auto")).click()
    expect(problem).to_be_hidden()


# Keeps the streams that the page is given.
_STREAMS = """
window.streams = [];
const devices = navigator.mediaDevices;
const open = devices.getUserMedia.bind(devices);
devices.getUserMedia = async (wishes) => {
  const stream = await open(wishes);
  window.streams.push(stream);
  return stream;
};
localStorage.setItem("whichpage.auto", "off");
"""
_LIVING = "streams.filter((one) => one.active).length"


def test_two_taps_open_one_camera(paper: Page) -> None:
    paper.add_init_script(_STREAMS)
    paper.goto("/")
    start = paper.get_by_role("button", name="Start the camera")
    start.evaluate("button => { button.click(); button.click(); }")
    expect(paper.locator(".finder")).to_have_attribute("data-state", "live")
    paper.wait_for_timeout(500)
    assert paper.evaluate("streams.length") == 1


def test_a_camera_that_cannot_be_shown_is_let_go(paper: Page) -> None:
    paper.add_init_script(
        f"""{_STREAMS}
        // Refused when it is told to be, as browsers do once what is played is off the page.
        HTMLMediaElement.prototype.play = function () {{
          return new Promise((resolve, reject) => {{
            window.refuse = () => reject(new DOMException("no", "AbortError"));
          }});
        }};"""
    )
    paper.goto("/")
    paper.get_by_role("button", name="Start the camera").click()
    until(paper, "window.refuse")
    assert paper.evaluate(_LIVING) == 1
    paper.evaluate("refuse()")
    expect(paper.locator(".finder-problem")).to_contain_text("could not be started")
    assert paper.evaluate(_LIVING) == 0
    # The same once the reader has gone elsewhere.
    paper.evaluate("window.refuse = null")
    paper.get_by_role("button", name="Start the camera").click()
    until(paper, "window.refuse")
    paper.get_by_role("link", name="History").click()
    expect(paper.locator("h1")).to_have_text("History")
    paper.evaluate("refuse()")
    until(paper, f"{_LIVING} === 0")


def test_a_camera_that_the_system_takes_away_is_not_live(paper: Page) -> None:
    paper.add_init_script(_STREAMS)
    start(paper)
    paper.evaluate("streams[0].getTracks()[0].dispatchEvent(new Event('ended'))")
    expect(paper.locator(".finder-problem")).to_contain_text("The camera was taken away")
    expect(paper.get_by_role("button", name="Start the camera")).to_be_visible()
    assert paper.evaluate("document.querySelector('video').srcObject") is None
    # It can be had again.
    paper.get_by_role("button", name="Start the camera").click()
    expect(paper.locator(".finder")).to_have_attribute("data-state", "live")
    expect(paper.locator(".finder-problem")).to_be_hidden()


def test_a_camera_that_may_not_be_used_is_explained(phone: Page) -> None:
    phone.add_init_script(
        "navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('no', 'NotAllowedError'))"
    )
    phone.goto("/")
    phone.get_by_role("button", name="Start the camera").click()
    expect(phone.locator(".finder-problem")).to_contain_text("may not use the camera")
    expect(phone.get_by_role("button", name="Start the camera")).to_be_visible()
