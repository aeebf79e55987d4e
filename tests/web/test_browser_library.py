"""The library screen: covers, search, adding with progress, removing, what failed and why."""

from __future__ import annotations

import json
import re

import pytest
from books import pdf_bytes
from in_browser import ROOT, opened, until
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

pytest_plugins = ["browser_fixtures"]

TITLES = ["jlreq-ja", "kanbun-ja", "testmath", "The pseudo Package", "User Manual for chemobabel.sty"]


def pdf(name: str, data: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/pdf", "buffer": data}


def open_library(page: Page) -> None:
    page.goto("/#/library")
    expect(page.locator(".book").first).to_be_visible()


def test_the_books_are_shown_with_covers_and_page_counts(desktop: Page) -> None:
    open_library(desktop)
    expect(desktop.locator(".book-title")).to_have_text(TITLES)
    expect(desktop.locator(".screen-head p")).to_have_text("5 books, 182 pages")
    expect(desktop.locator(".book", has_text="testmath")).to_contain_text("41 pages")
    expect(desktop.locator(".cover img")).to_have_count(len(TITLES))
    for cover in desktop.locator(".cover img").all():
        expect(cover).to_have_js_property("complete", True)
        assert cover.evaluate("image => image.naturalWidth") > 100
    desktop.locator(".book", has_text="kanbun-ja").get_by_role("link").click()
    expect(desktop.locator(".reader-label")).to_have_text("Page 1 of 6")


def test_books_are_searched_by_name(phone: Page) -> None:
    open_library(phone)
    phone.locator("body").press("/")
    search = phone.get_by_role("searchbox", name="Search the books")
    expect(search).to_be_focused()
    search.fill("ＫＡＮＢＵＮ")  # full-width letters are the same letters
    expect(phone.locator(".book-title")).to_have_text(["kanbun-ja"])
    expect(phone.get_by_role("status").filter(has_text="1 book match")).to_be_visible()
    search.fill("no such book")
    expect(phone.locator(".none-matching")).to_be_visible()


def test_a_book_is_added_with_progress_found_at_once_and_removed_after_a_question(phone: Page) -> None:
    open_library(phone)
    states: list[str] = []
    phone.expose_function("heard", lambda state: states.append(state))
    phone.evaluate(
        """() => {
          const Source = window.EventSource;
          window.EventSource = class extends Source {
            constructor(url) {
              super(url);
              this.addEventListener("message", (event) => window.heard(event.data));
            }
          };
        }"""
    )
    phone.locator(".screen-head input[type=file]").set_input_files(pdf("added.pdf", pdf_bytes(30, seed=7)))
    row = phone.locator(".upload", has_text="added.pdf")
    expect(row).to_be_visible()
    expect(row).to_have_attribute("data-phase", "done")
    heard = [json.loads(state) for state in states]
    assert heard[-1]["state"] == "done"
    assert (heard[-1]["pages_done"], heard[-1]["pages_total"]) == (30, 30)
    book = phone.locator(".book", has_text="added")
    expect(book).to_contain_text("30 pages")
    row.get_by_role("button", name="Dismiss: added.pdf").click()
    expect(phone.locator(".upload-section")).to_be_hidden()

    remove = book.get_by_role("button", name="Remove added")
    remove.click()
    dialog = phone.get_by_role("dialog")
    expect(dialog).to_contain_text("Remove “added”?")
    # This file is the only copy there may be.
    expect(dialog).to_contain_text("is deleted from the computer with it")
    expect(dialog).not_to_contain_text("add it again")
    dialog.get_by_role("button", name="Cancel").click()
    expect(book).to_be_visible()
    remove.click()
    dialog.get_by_role("button", name="Remove").click()
    expect(book).to_have_count(0)
    expect(phone.locator(".notice")).to_have_text("Removed: added")
    phone.reload()
    expect(phone.locator(".book")).to_have_count(5)
    # The user's own files stay where they are.
    phone.get_by_role("button", name="Remove testmath").click()
    expect(dialog).to_contain_text("You can add it again at any time.")
    expect(dialog).not_to_contain_text("deleted")
    dialog.get_by_role("button", name="Cancel").click()


def test_a_file_that_is_no_book_says_why_it_was_not_added(phone: Page) -> None:
    open_library(phone)
    locked = pdf("locked.pdf", pdf_bytes(3, encrypted=True))
    phone.locator(".screen-head input[type=file]").set_input_files([pdf("words.pdf", b"no book"), locked])
    for name in ("words.pdf", "locked.pdf"):
        row = phone.locator(".upload", has_text=name)
        expect(row).to_have_attribute("data-phase", "failed")
        expect(row).to_contain_text("Not added")
        assert len(row.locator(".reason").inner_text()) > 10
    # The page's sentence and then the server's, each a whole one.
    locked_row = phone.locator(".upload", has_text="locked.pdf").locator(".reason p")
    expect(locked_row).to_have_text(["This file cannot be read.", "Detail: The book is encrypted."])
    expect(phone.locator(".book")).to_have_count(5)


def test_in_japanese_english_is_a_marked_detail_of_what_only_the_server_knows(
    browser: Browser, address: str
) -> None:
    listed = json.loads(many(5))["books"]
    kinds = ("missing", "changed", "unfinished", "unreadable", "pages")
    for book, problem in zip(listed, kinds, strict=True):
        book.update(problem=problem, missing=problem == "missing", error="The server says so.")
    with opened(browser, address, locale="ja-JP") as page:
        open_library(page)
        cut = [pdf("words.pdf", b"no book"), pdf("locked.pdf", pdf_bytes(3, encrypted=True))]
        page.locator(".screen-head input[type=file]").set_input_files(cut)
        rows = page.locator(".upload")
        expect(rows.filter(has_text="words.pdf").locator(".reason p")).to_have_text(
            ["PDF・CBZ・ZIP のファイルではありません。"]
        )
        expect(rows.filter(has_text="locked.pdf").locator(".reason p")).to_have_text(
            ["このファイルは読み込めません。", "詳細(英語): The book is encrypted."]
        )
        expect(rows.locator(".detail [lang=en]")).to_have_text("The book is encrypted.")
        page.route("**/api/v1/books", lambda route: route.fulfill(json={"books": listed}))
        page.route("**/cover*", lambda route: route.fulfill(status=404))
        page.reload()
        problems = page.locator(".book-problems")
        expect(problems.locator("summary")).to_have_text(
            [
                "ファイルが見つからない本 (1)",
                "ファイルが変わった本 (1)",
                "追加が途中の本 (1)",
                "読み込めなかった本 (2)",
            ]
        )
        details = problems.locator("li").evaluate_all(
            "rows => rows.map((row) => row.querySelector('.detail [lang=en]')?.textContent ?? null)"
        )
        assert details == [None, None, *["The server says so."] * 3]


def test_a_book_that_the_library_has_is_not_said_to_be_added(phone: Page) -> None:
    open_library(phone)
    data = (ROOT / "demo" / "library" / "testmath.pdf").read_bytes()
    phone.locator(".screen-head input[type=file]").set_input_files(pdf("same.pdf", data))
    row = phone.locator(".upload", has_text="same.pdf")
    expect(row).to_have_attribute("data-phase", "done")
    expect(row).to_contain_text("Already in the library")
    expect(row).not_to_contain_text("Added")
    expect(phone.locator(".book")).to_have_count(5)


def test_books_of_one_title_are_told_apart_by_their_files(browser: Browser, address: str) -> None:
    listed = json.loads(many(3))["books"]
    for book, name in zip(listed, ("one.pdf", "two.pdf", "book.pdf"), strict=True):
        book.update(title="book", name=name, uploaded=False)
    with opened(browser, address) as page:
        page.route("**/api/v1/books", lambda route: route.fulfill(json={"books": listed}))
        page.route("**/cover*", lambda route: route.fulfill(status=404))
        open_library(page)
        expect(page.locator(".book .file-name")).to_have_text(["one.pdf", "two.pdf"])
        page.get_by_role("button", name="Remove book (two.pdf)").click()
        expect(page.get_by_role("dialog")).to_contain_text("Remove “book (two.pdf)”?")


@pytest.mark.parametrize("locale", ["en-US", "ja-JP"])
@pytest.mark.parametrize("width", [390, 360])
def test_the_words_in_the_search_field_are_seen_whole(
    browser: Browser, address: str, locale: str, width: int
) -> None:
    with opened(browser, address, locale=locale, viewport={"width": width, "height": 844}) as page:
        open_library(page)
        needed, there = page.locator(".search-field").evaluate(
            """(field) => {
              const style = getComputedStyle(field);
              const pen = document.createElement("canvas").getContext("2d");
              pen.font = style.font;
              const cross = 20; // which clears the field, and has its place also while that is empty
              const sides = parseFloat(style.paddingLeft) + parseFloat(style.paddingRight) + cross;
              const there = field.clientWidth - sides;
              return [pen.measureText(field.placeholder).width, there];
            }"""
        )
        assert needed <= there


def test_books_wait_for_a_server_that_has_many_to_index(phone: Page) -> None:
    refused: list[str] = []

    def refuse_twice(route: Route) -> None:
        if route.request.method != "POST" or len(refused) == 2:
            route.fallback()
            return
        refused.append(route.request.url)
        busy = '{"title": "Service Unavailable", "status": 503, "detail": "too many books"}'
        headers = {"Retry-After": "1", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=busy)

    phone.route("**/api/v1/books", refuse_twice)
    # A stream for each of many would leave the browser no connection for anything else.
    phone.add_init_script(
        """window.streams = [0];
        const Source = window.EventSource;
        window.EventSource = class extends Source {
          constructor(url) {
            super(url);
            window.streams.push(window.streams.at(-1) + 1);
          }
          close() {
            super.close();
            window.streams.push(window.streams.at(-1) - 1);
          }
        };"""
    )
    open_library(phone)
    books = [pdf("first.pdf", pdf_bytes(1, seed=21)), pdf("second.pdf", pdf_bytes(1, seed=22))]
    phone.locator(".screen-head input[type=file]").set_input_files(books)
    expect(phone.locator(".upload", has_text="first.pdf")).to_contain_text("Waiting for its turn")
    for name in ("first", "second"):
        expect(phone.locator(".upload", has_text=f"{name}.pdf")).to_have_attribute("data-phase", "done")
        phone.locator(".book", has_text=name).get_by_role("button", name=f"Remove {name}").click()
        phone.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(phone.locator(".book", has_text=name)).to_have_count(0)
    assert len(refused) == 2
    assert max(phone.evaluate("window.streams")) == 1


def many(number: int) -> str:
    books = [
        {
            "id": index + 1,
            "title": f"Book {index + 1}",
            "name": f"{index + 1}.pdf",
            "missing": False,
            "path": f"/books/{index + 1}.pdf",
            "pages": 100,
            "state": "unfinished" if index == 7 else "complete",
            "error": "10 of 100 pages are indexed." if index == 7 else None,
            "problem": "unfinished" if index == 7 else None,
            "cover": f"/api/v1/books/{index + 1}/cover",
            "file": None,
            "added": "2026-01-31T12:00:00Z",
        }
        for index in range(number)
    ]
    return json.dumps({"books": books})


def test_thousands_of_books_are_put_on_the_page_as_one_scrolls(browser: Browser, address: str) -> None:
    covers: list[str] = []

    def cover(route: Route) -> None:
        covers.append(route.request.url)
        route.fulfill(status=404)

    with opened(browser, address) as page:
        page.route(
            "**/api/v1/books", lambda route: route.fulfill(content_type="application/json", body=many(4000))
        )
        page.route("**/cover*", cover)
        open_library(page)
        expect(page.locator(".screen-head p")).to_have_text("4,000 books, 400,000 pages")
        assert page.locator(".book").count() <= 180
        assert len(covers) <= 180
        while (shown := page.locator(".book").count()) <= 300:
            page.locator(".book").last.scroll_into_view_if_needed()
            expect(page.locator(".book").nth(shown)).to_be_attached()
        page.get_by_role("searchbox").fill("book 3999")
        expect(page.locator(".book-title")).to_have_text(["Book 3999"])
        # What is amiss with a book is said.
        page.locator(".book-problems summary").click()
        expect(page.locator(".book-problems summary")).to_have_text(["Not finished (1)"])
        expect(page.locator(".book-problems li")).to_have_text(
            "Book 88.pdfNot all of its pages are indexed. Add it again.Detail: 10 of 100 pages are indexed."
        )


def test_the_list_is_found_as_it_was_left(browser: Browser, address: str) -> None:
    listed = json.loads(many(400))["books"]

    def answer(route: Route) -> None:
        number = route.request.url.rpartition("/")[2]
        if route.request.method == "DELETE":
            listed[:] = [book for book in listed if book["id"] != int(number)]
            route.fulfill(status=204)
        else:
            route.fulfill(json={"books": listed} if number == "books" else listed[int(number) - 1])

    with opened(browser, address) as page:
        page.route(re.compile("/api/v1/books(/[0-9]+)?$"), answer)
        page.route("**/cover*", lambda route: route.fulfill(status=404))
        page.route(re.compile("/pages/"), lambda route: route.fulfill(status=404))
        open_library(page)
        book = page.locator(".book", has=page.get_by_text("Book 250", exact=True))
        while not book.count():
            page.locator(".book").last.scroll_into_view_if_needed()
            page.wait_for_timeout(50)
        # In the middle, where nothing has to be scrolled for it to be clicked.
        book.evaluate("book => book.scrollIntoView({ block: 'center' })")
        page.wait_for_timeout(500)
        shown = page.locator(".book").count()
        assert page.evaluate("scrollY") > 5000

        def top(title: str) -> str:
            """How far down a book is, in the page's words."""
            cards = "[...document.querySelectorAll('.book')]"
            card = f"{cards}.find(one => one.querySelector('.book-title').textContent === '{title}')"
            return f"({card}?.getBoundingClientRect().top ?? NaN)"

        before, beside = page.evaluate(f"[{top('Book 250')}, {top('Book 248')}]")
        for back in (page.go_back, page.locator(".back").click):
            book.get_by_role("link").click()
            expect(page.locator("h1")).to_have_text("Book 250")
            page.get_by_role("button", name="Next page").click()
            expect(page.locator(".reader-label")).to_have_text("Page 2 of 100")
            back()
            until(page, f"Math.abs({top('Book 250')} - {before}) < 2")
            assert page.locator(".book").count() >= shown
        # Nor does it jump when a book is removed.
        book.get_by_role("button").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(book).to_have_count(0)
        until(page, f"Math.abs({top('Book 248')} - {beside}) < 2")
        page.wait_for_timeout(500)
        assert abs(page.evaluate(top("Book 248")) - beside) < 2
        assert page.locator(".book").count() >= shown
        page.get_by_role("searchbox").fill("book 39")
        expect(page.locator(".book")).to_have_count(14)
        page.locator(".book").nth(3).get_by_role("link").click()
        expect(page.locator(".reader-label")).to_be_visible()
        page.go_back()
        expect(page.get_by_role("searchbox")).to_have_value("book 39")
        expect(page.locator(".book")).to_have_count(14)
        # Who comes anew finds all of them.
        page.get_by_role("link", name="History").click()
        page.get_by_role("link", name="Library").click()
        expect(page.get_by_role("searchbox")).to_have_value("")


def test_a_book_is_followed_past_a_new_start_of_the_server(phone: Page) -> None:
    # A browser does not ask again for a stream that was answered with an error.
    answers = [502, 404]

    def refuse(route: Route) -> None:
        if answers:
            route.fulfill(status=answers.pop(0))
        else:
            route.fallback()

    phone.route("**/events", refuse)
    open_library(phone)
    chosen = phone.locator(".screen-head input[type=file]")
    chosen.set_input_files(pdf("followed.pdf", pdf_bytes(30, seed=31)))
    row = phone.locator(".upload", has_text="followed.pdf")
    expect(row).to_have_attribute("data-phase", "done")
    # Of one that is not known any more it is not said that it was not added.
    phone.route("**/events", lambda route: route.fulfill(status=404))
    phone.route("**/api/v1/jobs/*", lambda route: route.fulfill(status=404, json={"status": 404}))
    chosen.set_input_files(pdf("forgotten.pdf", pdf_bytes(1, seed=32)))
    row = phone.locator(".upload", has_text="forgotten.pdf")
    expect(row).to_have_attribute("data-phase", "lost")
    expect(row).to_contain_text("the library shows whether the book arrived")
    expect(row).not_to_contain_text("Not added")
    for name in ("followed", "forgotten"):
        phone.reload()
        phone.locator(".book", has_text=name).get_by_role("button", name=f"Remove {name}").click()
        phone.get_by_role("dialog").get_by_role("button", name="Remove").click()
        expect(phone.locator(".book", has_text=name)).to_have_count(0)
