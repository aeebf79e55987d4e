"""The history: kept on the device, gone back to, exported, cleared."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from in_browser import PHOTOS, found, give
from playwright.sync_api import Page, expect

pytest_plugins = ["browser_fixtures"]


def test_the_history_outlasts_the_page_and_leads_back_to_answers(phone: Page) -> None:
    phone.goto("/#/history")
    expect(phone.locator(".empty")).to_contain_text("on this device only")
    found(phone, "02-curled.jpg")
    phone.reload()
    phone.get_by_role("link", name="History").click()
    row = phone.locator(".history-list li")
    expect(row).to_have_count(1)
    expect(row.locator("img")).to_have_js_property("complete", True)
    assert row.locator("img").evaluate("image => Math.max(image.naturalWidth, image.naturalHeight)") == 192
    row.get_by_role("link").click()
    expect(phone.locator("h1")).to_have_text("Page 21")
    expect(phone.locator(".photo img")).to_have_js_property("naturalWidth", 1200)


def test_the_history_is_exported_as_csv(desktop: Page, tmp_path: Path) -> None:
    give(desktop, "08-two-pages.jpg", "09-absent.jpg")
    expect(desktop.locator("h1")).to_have_text("History")
    with desktop.expect_download() as saved:
        desktop.get_by_role("button", name="Export as CSV").click()
    assert re.fullmatch(r"whichpage-\d{4}-\d\d-\d\d\.csv", saved.value.suggested_filename)
    saved.value.save_as(tmp_path / "history.csv")
    data = (tmp_path / "history.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    heading, *rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))
    assert heading == ["time", "photo", "status", "book", "page", "confidence", "file", "link"]
    assert [row[1:5] for row in rows] == [
        ["09-absent.jpg", "not_found", "", ""],
        ["08-two-pages.jpg", "found", "jlreq-ja", "12"],
        ["08-two-pages.jpg", "found", "jlreq-ja", "13"],
    ]
    assert 0.9 < float(rows[1][5]) <= 1
    assert rows[1][6].endswith("/demo/library/jlreq-ja.pdf")
    desktop.goto(rows[2][7])
    expect(desktop.locator(".reader-label")).to_have_text("Page 13 of 22")


def test_names_in_the_csv_are_no_formulas(desktop: Page) -> None:
    desktop.goto("/")
    cells = desktop.evaluate(
        """async () => {
          const { csv } = await import("/js/csv.js");
          const book = { id: 1, title: '=1,"x"' };
          const match = { verified: true, page: 1, confidence: 0.99, source: "-2+3.pdf", book };
          const entry = { at: 0, name: "@a.jpg", answer: { status: "found", matches: [match] } };
          return csv([entry], ["time"], () => "+link");
        }"""
    )
    row = next(csv.reader(io.StringIO(cells.split("\r\n")[1])))
    assert row[1:] == ["'@a.jpg", "found", '\'=1,"x"', "1", "0.99", "'-2+3.pdf", "'+link"]


def test_entries_are_forgotten_one_by_one_or_all_after_a_question(phone: Page) -> None:
    give(phone, "01-flat.jpg", "02-curled.jpg", "03-sideways.jpg")
    rows = phone.locator(".history-list li")
    expect(rows).to_have_count(3)
    phone.get_by_role("button", name="Delete 02-curled.jpg from the history").click()
    expect(rows).to_have_count(2)
    phone.get_by_role("button", name="Clear").click()
    phone.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(rows).to_have_count(2)
    phone.get_by_role("button", name="Clear").click()
    phone.get_by_role("dialog").get_by_role("button", name="Clear").click()
    expect(rows).to_have_count(0)
    phone.reload()
    expect(phone.locator(".empty")).to_be_visible()


def test_a_connection_that_the_browser_closed_is_opened_anew(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    phone.evaluate(
        """() => {
          const begin = IDBDatabase.prototype.transaction;
          let closed = false;
          IDBDatabase.prototype.transaction = function (...given) {
            if (!closed) this.close();
            closed = true;
            return begin.apply(this, given);
          };
        }"""
    )
    phone.get_by_role("link", name="History").click()
    expect(phone.locator(".history-words strong")).to_have_text(["Page 3"])


# Until `window.mended`, as where the browser's storage is broken.
_BREAK = """() => {
  const begin = IDBDatabase.prototype.transaction;
  IDBDatabase.prototype.transaction = function (...given) {
    if (window.mended) return begin.apply(this, given);
    throw new DOMException("Connection to Indexed Database server lost", "UnknownError");
  };
}"""


def test_a_history_that_cannot_be_read_says_so(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    phone.evaluate(_BREAK)
    phone.get_by_role("link", name="History").click()
    expect(phone.locator("h1")).to_have_text("Connection to Indexed Database server lost")
    phone.evaluate("window.mended = true")
    phone.get_by_role("button", name="Try again").click()
    expect(phone.locator(".history-words strong")).to_have_text(["Page 3"])


def test_an_answer_that_cannot_be_kept_is_shown(phone: Page) -> None:
    phone.goto("/")
    phone.evaluate(_BREAK)
    phone.locator(".welcome input[type=file]").last.set_input_files(PHOTOS / "01-flat.jpg")
    expect(phone.locator("h1")).to_have_text("Page 3")
    phone.get_by_role("link", name="History").click()
    expect(phone.locator(".history-words strong")).to_have_text(["Page 3"])
