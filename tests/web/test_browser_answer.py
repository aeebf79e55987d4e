"""The answer: the outline, leafing, the PDF at the page, links to it, its text."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from in_browser import ROOT, books_of, found, give, made_up, opened, serving, until
from playwright.sync_api import Browser, Page, Route, expect

from whichpage.library import Library

pytest_plugins = ["browser_fixtures"]

FIND = re.compile(r"/api/v1/find$")
NOT_WHERE_IT_WAS = "The book's file is not where it was; this is the page as it was indexed."


def shown_page(page: Page) -> str | None:
    """The number of the page that is in the middle."""
    return page.locator(".leaf:not([inert])").get_attribute("data-page")


def book_id(address: str, title: str) -> int:
    return int(books_of(address)[title]["id"])


def short(book: dict[str, Any], **other: Any) -> dict[str, Any]:
    """A book as an answer has it."""
    return {key: book[key] for key in ("id", "title", "name", "pages", "missing")} | other


def test_the_page_is_outlined_where_the_server_saw_it(phone: Page) -> None:
    with phone.expect_response(re.compile("/find$")) as answered:
        found(phone, "03-sideways.jpg")
    answer = answered.value.json()
    assert phone.locator(".outline").get_attribute("viewBox") == f"0 0 {answer['width']} {answer['height']}"
    points = phone.locator(".page-outline .line").get_attribute("points") or ""
    drawn = [[float(number) for number in point.split(",")] for point in points.split()]
    assert drawn == answer["matches"][0]["quad"]
    # The outline lies on the photo: both cover the same place.
    assert phone.locator(".outline").bounding_box() == phone.locator(".photo img").bounding_box()


def test_two_pages_are_two_answers(phone: Page) -> None:
    found(phone, "08-two-pages.jpg")
    expect(phone.locator(".match-tab")).to_have_text(["Page 12", "Page 13"])
    expect(phone.locator("h1")).to_have_text("Page 12")
    phone.get_by_role("button", name="Page 13").click()
    expect(phone.locator("h1")).to_have_text("Page 13")
    expect(phone.locator(".page-outline").nth(1)).to_have_class(re.compile("chosen"))
    assert shown_page(phone) == "13"


def test_leafing_with_buttons_keys_and_the_slider(desktop: Page) -> None:
    found(desktop, "01-flat.jpg")
    label = desktop.locator(".reader-label")
    expect(label).to_have_text("Page 3 of 41")
    desktop.get_by_role("button", name="Next page").click()
    expect(label).to_have_text("Page 4 of 41")
    expect(desktop.locator(".leaf:not([inert]) img")).to_have_attribute("alt", "Page 4 of testmath")
    desktop.locator("body").press("ArrowRight")
    expect(label).to_have_text("Page 5 of 41")
    desktop.locator("body").press("ArrowLeft")
    desktop.locator("body").press("ArrowLeft")
    expect(label).to_have_text("Page 3 of 41")
    slider = desktop.get_by_role("slider", name="Go to page")
    slider.focus()
    slider.press("End")
    expect(label).to_have_text("Page 41 of 41")
    expect(desktop.get_by_role("button", name="Next page")).to_be_disabled()
    desktop.get_by_role("button", name="Back to page 3").click()
    expect(label).to_have_text("Page 3 of 41")
    expect(desktop.get_by_role("button", name="Back to page 3")).to_be_hidden()


def swipe(page: Page, *, forward: bool) -> tuple[float, float]:
    """Swipes over most of the page; returns its left and how far down it was."""
    stage = page.locator(".stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box is not None
    left, right, middle = box["x"] + box["width"] * 0.2, box["x"] + box["width"] * 0.8, box["y"] + 150
    begin, end = (right, left) if forward else (left, right)
    page.mouse.move(begin, middle)
    page.mouse.down()
    page.mouse.move(end, middle, steps=5)
    page.mouse.up()
    return left, middle


def test_leafing_with_a_swipe(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    left, middle = swipe(phone, forward=True)
    expect(phone.locator(".reader-label")).to_have_text("Page 4 of 41")
    phone.mouse.move(left, middle)
    phone.mouse.down()
    phone.mouse.move(left + 15, middle, steps=3)  # too short to be meant
    phone.mouse.up()
    swipe(phone, forward=False)
    expect(phone.locator(".reader-label")).to_have_text("Page 3 of 41")


def test_while_the_page_is_pinched_larger_a_drag_looks_around(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    phone.locator(".stage").scroll_into_view_if_needed()
    chromium = phone.context.new_cdp_session(phone)
    label = phone.locator(".reader-label")

    def height() -> float:
        """Where on the screen the upper part of the page is."""
        box = phone.locator(".stage").bounding_box()
        scale, top = phone.evaluate("[visualViewport.scale, visualViewport.offsetTop]")
        assert box is not None
        return max(40.0, (box["y"] - float(top)) * float(scale) + 60)

    def touch() -> None:
        y = height()
        for kind, x in (("touchStart", 300), *(("touchMove", 300 - 10 * n) for n in range(1, 23))):
            chromium.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        chromium.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def pull() -> None:
        y = height()
        phone.mouse.move(300, y)
        phone.mouse.down()
        phone.mouse.move(60, y, steps=5)
        phone.mouse.up()

    touch()
    expect(label).to_have_text("Page 4 of 41")
    pull()
    expect(label).to_have_text("Page 5 of 41")
    chromium.send("Emulation.setPageScaleFactor", {"pageScaleFactor": 2})
    until(phone, "visualViewport.scale === 2")
    expect(phone.locator(".stage")).to_have_css(
        "touch-action", re.compile("pan-x pan-y pinch-zoom|manipulation")
    )
    before = phone.evaluate("visualViewport.offsetLeft")
    touch()
    until(phone, f"visualViewport.offsetLeft > {before} + 20")
    # Not every browser leaves a drag to itself as Chromium does one of a finger.
    pull()
    phone.wait_for_timeout(500)
    expect(label).to_have_text("Page 5 of 41")


def test_a_turn_that_is_under_way_stands_in_nobodys_way(browser: Browser, address: str) -> None:
    book = book_id(address, "testmath")
    # Pressed within one task: before the movement of the turn has ended.
    press = "(name) => document.querySelector(`[aria-label='${name}']`).click();"
    with opened(browser, address, reduced_motion="no-preference") as page:
        page.goto(f"/#/book/{book}/page/40")
        label = page.locator(".reader-label")
        expect(label).to_have_text("Page 40 of 41")
        page.evaluate(f"() => {{ const press = {press} press('Next page'); press('Next page'); }}")
        expect(label).to_have_text("Page 41 of 41")
        swipe(page, forward=False)
        expect(label).to_have_text("Page 40 of 41")
        # What is chosen with the slider meanwhile wins.
        page.evaluate(
            f"""() => {{
              const press = {press} press("Previous page");
              const slider = document.querySelector(".slider");
              slider.value = 7;
              slider.dispatchEvent(new Event("change"));
            }}"""
        )
        expect(label).to_have_text("Page 7 of 41")
        page.wait_for_timeout(600)
        expect(label).to_have_text("Page 7 of 41")
        # So does the way back.
        page.evaluate(
            f"""() => {{
              const press = {press} press("Next page");
              document.querySelector(".small-button").click();
            }}"""
        )
        expect(label).to_have_text("Page 40 of 41")
        page.wait_for_timeout(600)
        expect(label).to_have_text("Page 40 of 41")
        assert shown_page(page) == "40"


def test_leafing_is_told_to_a_screen_reader_and_keeps_the_focus(desktop: Page, address: str) -> None:
    desktop.goto(f"/#/book/{book_id(address, 'testmath')}/page/39")
    spoken = desktop.get_by_role("status").filter(has_text="Page")
    forward = desktop.get_by_role("button", name="Next page")
    backward = desktop.get_by_role("button", name="Previous page")
    expect(desktop.locator(".page-text")).to_be_visible()
    expect(spoken).to_have_count(0)  # the screen has said which page it begins with
    forward.press("Enter")
    expect(spoken).to_have_text("Page 40 of 41")
    forward.press("Enter")
    expect(spoken).to_have_text("Page 41 of 41")
    # This button cannot be pressed any more, the one beside it can.
    expect(backward).to_be_focused()
    home = desktop.get_by_role("button", name="Back to page 39")
    home.press("Enter")
    expect(home).to_be_hidden()
    expect(forward).to_be_focused()
    expect(spoken).to_have_text("Page 39 of 41")


def test_what_the_server_says_of_the_book_later_leaves_the_focus_where_it_is(
    browser: Browser, address: str
) -> None:
    held: list[Route] = []
    with opened(browser, address) as page:
        page.route(re.compile(r"/api/v1/books/\d+$"), lambda route: held.append(route))
        found(page, "05-written-on.jpg")
        link = page.get_by_role("button", name="Copy link")
        link.focus()
        while not held:
            page.wait_for_timeout(50)
        with page.expect_response(re.compile(r"/api/v1/books/\d+$")) as said:
            held[0].continue_()
        said.value.finished()
        page.wait_for_timeout(200)
        expect(link).to_be_focused()


def test_the_pdf_opens_at_the_page(desktop: Page) -> None:
    found(desktop, "01-flat.jpg")
    link = desktop.get_by_role("link", name="Open the PDF at page 3")
    assert re.search(r"/api/v1/books/\d+/file#page=3$", link.get_attribute("href") or "")
    with desktop.context.expect_event(
        "request", lambda one: one.url.split("#")[0].endswith("/file")
    ) as asked:
        link.click()
    answer = asked.value.response()
    assert answer is not None
    assert answer.status in (200, 206)
    assert answer.headers["content-type"] == "application/pdf"
    # The address follows the leafing.
    desktop.get_by_role("button", name="Next page").click()
    expect(desktop.get_by_role("link", name="Open the PDF at page 4")).to_have_attribute(
        "href", re.compile("#page=4$")
    )


def test_a_copied_link_opens_the_page(browser: Browser, address: str) -> None:
    with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        found(page, "03-sideways.jpg")
        page.get_by_role("button", name="Copy link").click()
        expect(page.locator(".notice")).to_have_text("Link copied")
        link = page.evaluate("navigator.clipboard.readText()")
    assert re.fullmatch(rf"{re.escape(address)}#/book/\d+/page/9", link)
    with opened(browser, address) as other:
        other.goto(link)
        expect(other.locator("h1")).to_have_text("User Manual for chemobabel.sty")
        expect(other.locator(".reader-label")).to_have_text("Page 9 of 22")
        # Leafing is written into the address, so that it can be reloaded.
        other.get_by_role("button", name="Next page").click()
        expect(other).to_have_url(re.compile("/page/10$"))
        other.reload()
        expect(other.locator(".reader-label")).to_have_text("Page 10 of 22")


def test_a_link_to_a_book_that_is_gone_says_so(phone: Page) -> None:
    for number in ("999999", "99999999999999999999"):
        phone.goto(f"/#/book/{number}/page/1")
        expect(phone.locator("h1")).to_have_text("This book is not in the library any more.")


def test_the_list_of_all_books_is_asked_for_by_the_library_alone(phone: Page, address: str) -> None:
    asked: list[str] = []
    phone.on("request", lambda one: asked.append(one.url.partition("/api/v1/")[2]))
    book = book_id(address, "testmath")
    with phone.expect_response(re.compile(r"/books\?count=1$")):
        phone.goto("/#/")
    phone.goto(f"/#/book/{book}/page/3")
    expect(phone.locator(".reader-label")).to_have_text("Page 3 of 41")
    assert f"books/{book}" in asked
    assert "books" not in asked


def test_a_page_that_does_not_come_is_asked_for_again_or_says_why(browser: Browser, address: str) -> None:
    refused: list[str] = []

    def refuse(route: Route) -> None:
        refused.append(route.request.url)
        # The image asks once, the page once more to learn why.
        status = 503 if len(refused) <= 2 else 422
        problem = {"title": "no", "status": status, "detail": "the book is damaged"}
        if "/pages/3/" in route.request.url and len(refused) > 2:
            route.fallback()
            return
        route.fulfill(status=status, headers={"Retry-After": "1"}, body=json.dumps(problem))

    book = book_id(address, "testmath")
    with opened(browser, address) as page:
        page.route(re.compile("/pages/3/image"), refuse)
        page.goto(f"/#/book/{book}/page/3")
        leaf = page.locator(".leaf:not([inert])")
        expect(leaf).to_contain_text("The server is busy. Trying again in 1 s…")
        expect(leaf.locator("img")).to_have_js_property("complete", True)
        assert leaf.locator("img").evaluate("image => image.naturalWidth") > 100
        page.route(re.compile("/pages/9/image"), refuse)
        page.goto(f"/#/book/{book}/page/9")
        expect(leaf).to_contain_text("This page cannot be shown.")
        expect(leaf).to_contain_text("This file cannot be read.")
        expect(leaf).to_contain_text("the book is damaged")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_text_of_the_page_can_be_read_and_copied(browser: Browser, address: str) -> None:
    book = book_id(address, "testmath")
    with opened(browser, address, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(f"/#/book/{book}/page/3")
        page.locator("summary", has_text="Text of this page").click()
        words = page.locator(".page-words")
        expect(words).to_contain_text("Sample paper for the amsmath package")
        page.get_by_role("button", name="Copy text").click()
        expect(page.locator(".notice")).to_have_text("Text copied")
        assert "amsmath" in page.evaluate("navigator.clipboard.readText()")


def test_page_and_photo_can_be_enlarged(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    phone.get_by_role("button", name="Your photo: Enlarge").click()
    expect(phone.locator("dialog .outline")).to_be_visible()
    phone.keyboard.press("Escape")
    expect(phone.locator("dialog")).to_have_count(0)
    phone.get_by_role("button", name="Enlarge", exact=True).click()
    expect(phone.locator("dialog img")).to_have_attribute("alt", "Page 3 of testmath")
    phone.get_by_role("button", name="Close").click()
    expect(phone.locator("dialog")).to_have_count(0)


def test_a_book_is_named_by_its_file_where_its_title_tells_less(phone: Page, address: str) -> None:
    """As of chapters that one program made: they all have its title."""
    found(phone, "01-flat.jpg")
    expect(phone.locator(".answer-book")).to_have_text("testmath")
    expect(phone.locator(".answer-head .file-name")).to_have_count(0)  # testmath.pdf says no more
    shared = short(books_of(address)["testmath"], title="book.html", name="chapter 2.pdf")
    answer = made_up({"book": shared, "page": 3})
    phone.route(FIND, lambda route: route.fulfill(json=answer))
    give(phone, "01-flat.jpg")
    expect(phone.locator(".answer-head .file-name")).to_have_text("chapter 2.pdf")
    phone.get_by_role("link", name="History").click()
    expect(phone.locator(".history-list li").first).to_contain_text("book.html")
    expect(phone.locator(".history-list .file-name")).to_have_text(["chapter 2.pdf"])
    near = made_up({"book": shared, "page": 3, "verified": False}) | {"status": "not_found"}
    phone.route(FIND, lambda route: route.fulfill(json=near))
    give(phone, "01-flat.jpg")
    phone.locator(".nearest summary").click()
    expect(phone.locator(".nearest .file-name")).to_have_text("chapter 2.pdf")
    expect(phone.locator(".nearest .file-name")).to_be_visible()


def test_pages_of_several_books_are_named_by_their_books(phone: Page, address: str) -> None:
    books = books_of(address)
    first, second = (short(books[title]) for title in ("testmath", "kanbun-ja"))
    answers = [
        made_up({"book": first, "page": 3}, {"book": second, "page": 4}),
        made_up(
            {"book": {**first, "title": "book.html", "name": "one.pdf"}, "page": 3},
            {"book": {**second, "title": "book.html", "name": "a very long name of two.pdf"}, "page": 4},
        ),
    ]
    phone.route(FIND, lambda route: route.fulfill(json=answers.pop(0)))
    expected = {"one.pdf": "a very long name of two.pdf", "testmath": "kanbun-ja"}
    for one, other in reversed(expected.items()):
        give(phone, "01-flat.jpg")
        # In the order of the books in the library.
        (number, name), (last, rest) = sorted(
            [(first["id"], f"Page 3 {one}"), (second["id"], f"Page 4 {other}")]
        )
        assert number != last
        expect(phone.locator(".match-tab")).to_have_text([name, rest])
        phone.get_by_role("button", name=rest, exact=True).click()
        expect(phone.locator("h1")).to_have_text(rest[:6])
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390
        for tab in phone.locator(".match-tab").all():
            box = tab.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
    phone.get_by_role("link", name="History").click()
    rows = phone.locator(".history-list li")
    for row, names in zip(rows.all(), expected.items(), strict=True):
        for name in names:
            expect(row.locator(".history-book", has_text=name)).to_be_visible()


def test_the_answer_of_a_book_that_was_removed_since_says_so(phone: Page) -> None:
    book = {"id": 999999, "title": "Gone", "name": "gone.pdf", "pages": 9, "missing": False}
    answer = made_up({"book": book, "page": 5, "file": "/api/v1/books/999999/file#page=5"})
    asked: list[str] = []
    phone.on("request", lambda one: asked.append(one.url.partition("/api/v1/")[2]))
    phone.route(FIND, lambda route: route.fulfill(json=answer))
    give(phone, "01-flat.jpg")
    expect(phone.locator("h1")).to_have_text("Page 5")
    expect(phone.locator(".answer")).to_contain_text("This book is not in the library any more.")
    expect(phone.get_by_role("link", name="Open the PDF")).to_have_count(0)
    expect(phone.locator(".reader-actions")).to_have_count(0)
    phone.wait_for_timeout(500)
    pictures = [one for one in asked if one.startswith("books/999999/pages/5/image")]
    assert len(pictures) <= 1
    phone.reload()
    expect(phone.locator(".answer")).to_contain_text("This book is not in the library any more.")


def test_of_a_book_whose_file_is_gone_it_is_said_that_the_page_is_as_it_was_indexed(
    browser: Browser, tmp_path: Path
) -> None:
    path = tmp_path / "books" / "kanbun.pdf"
    path.parent.mkdir()
    shutil.copy(ROOT / "demo" / "library" / "kanbun-ja.pdf", path)
    with Library.open(tmp_path / "library", create=True) as library:
        library.add(path)
    with serving(tmp_path / "library") as address, opened(browser, address) as page:
        found(page, "05-written-on.jpg")
        note = page.locator(".reader-note")
        expect(page.get_by_role("link", name="Open the PDF")).to_be_visible()
        expect(note).to_be_hidden()
        path.rename(path.with_suffix(".moved"))
        page.reload()  # the answer is that of before, the book is not
        expect(note).to_have_text(NOT_WHERE_IT_WAS)
        expect(page.get_by_role("link", name="Open the PDF")).to_have_count(0)
        found(page, "05-written-on.jpg")
        expect(note).to_have_text(NOT_WHERE_IT_WAS)
        assert page.locator(".leaf:not([inert]) img").evaluate("image => image.naturalWidth") > 100
        page.goto("/#/library")
        problems = page.locator(".book-problems")
        expect(problems.locator("summary")).to_have_text(["File not found (1)"])
        expect(problems).not_to_contain_text("Could not be read")
        problems.locator("summary").click()
        expect(problems.locator("li")).to_contain_text(str(path))
        path.with_suffix(".moved").rename(path)
        path.write_bytes(path.read_bytes() + b"\n")  # another file now
        page.locator(".book").get_by_role("link").click()
        expect(note).to_contain_text("may have changed since it was added")
        expect(page.get_by_role("link", name="Open the PDF")).to_have_count(0)
