"""A photo goes in, by each way there is; what is said meanwhile, and what when nothing is found."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path

from in_browser import INSECURE, PHONE, PHOTOS, ROOT, found, give, make_library, opened, serving
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

pytest_plugins = ["browser_fixtures"]

FIND = re.compile(r"/api/v1/find$")
# Makes the event that dropping or pasting a file makes, with the file's bytes in base64.
_TRANSFER = """([kind, name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), (c) => c.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type }));
  if (kind === "paste") {
    document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, cancelable: true }));
    return;
  }
  for (const one of ["dragenter", "dragover", "drop"]) {
    const event = new DragEvent(one, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
  }
}"""


def transfer(page: Page, kind: str, photo: str) -> None:
    data = base64.b64encode((PHOTOS / photo).read_bytes()).decode()
    page.evaluate(_TRANSFER, [kind, photo, "image/jpeg", data])


# Keeps the photo that the page sends: Chromium tells its drivers nothing of files in a form.
_KEEP_SENT = """() => {
  const fetch = window.fetch;
  window.fetch = (url, options) => {
    if (options?.body instanceof FormData) window.sent = options.body.get("photo");
    return fetch(url, options);
  };
}"""
_READ_SENT = """async () => {
  const bytes = new Uint8Array(await window.sent.arrayBuffer());
  return btoa(bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""));
}"""


def sent_photo(page: Page) -> bytes:
    """The bytes of the last photo that the page sent, since `_KEEP_SENT`."""
    return base64.b64decode(page.evaluate(_READ_SENT))


def test_a_chosen_photo_is_answered_with_its_book_and_page(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    expect(phone.locator("h1")).to_have_text("Page 3")
    expect(phone.locator(".answer-book")).to_have_text("testmath")
    expect(phone.locator(".certainty")).to_have_text(re.compile("As good as certain|Very likely|Likely"))
    expect(phone).to_have_title("Page 3 · testmath · whichpage")


def test_a_dropped_photo_is_answered(desktop: Page) -> None:
    desktop.goto("/#/history")
    expect(desktop.locator("h1")).to_have_text("History")
    transfer(desktop, "drop", "02-curled.jpg")
    expect(desktop.locator("h1")).to_have_text("Page 21")


def test_dragging_shows_where_to_drop(desktop: Page) -> None:
    desktop.goto("/")
    hint = desktop.locator(".drop-hint")
    expect(hint).to_be_hidden()
    desktop.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["x"], "x.jpg", { type: "image/jpeg" }));
          for (const kind of ["dragenter", "dragleave"]) {
            document.body.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true }));
            (window.seen ??= []).push(!document.querySelector(".drop-hint").hidden);
          }
        }"""
    )
    assert desktop.evaluate("window.seen") == [True, False]


def test_a_pasted_photo_is_answered(desktop: Page) -> None:
    desktop.goto("/")
    expect(desktop.locator("h1")).to_be_visible()
    transfer(desktop, "paste", "03-sideways.jpg")
    expect(desktop.locator("h1")).to_have_text("Page 9")


def test_a_book_that_is_dropped_among_photos_is_sent_to_the_library(desktop: Page) -> None:
    asked: list[str] = []
    desktop.on("request", lambda one: asked.append(one.url) if one.method == "POST" else None)
    desktop.goto("/")
    expect(desktop.locator("h1")).to_be_visible()
    desktop.evaluate(_TRANSFER, ["drop", "a.pdf", "application/pdf", base64.b64encode(b"%PDF-").decode()])
    expect(desktop.locator(".notice")).to_contain_text("Books are added on the Library screen.")
    expect(desktop.locator("h1")).to_have_text("Which page is it?")
    assert asked == []


def test_a_photo_that_fails_after_the_reader_has_left_is_told_there(phone: Page) -> None:
    answers: list[Route] = []
    phone.route(FIND, lambda route: answers.append(route))
    with phone.expect_request(FIND):
        give(phone, "01-flat.jpg")
    phone.get_by_role("link", name="Library").click()
    expect(phone.locator(".book")).to_have_count(5)
    answers[0].fulfill(status=422, json={"title": "Unprocessable Content", "status": 422, "detail": "no"})
    expect(phone.locator(".notice")).to_have_text("A photo could not be looked up: This file cannot be read.")


def test_while_it_works_the_photo_is_shown_and_it_can_be_cancelled(phone: Page) -> None:
    phone.route(FIND, lambda route: None)  # an answer that never comes
    give(phone, "01-flat.jpg")
    expect(phone.locator(".finder-status")).to_have_text("Looking for the page…")
    expect(phone.locator(".still")).to_have_js_property("naturalWidth", 1200)
    expect(phone.locator(".finder-status")).to_contain_text("Still looking")
    phone.get_by_role("button", name="Cancel").click()
    expect(phone.get_by_role("button", name="Start the camera")).to_be_visible()
    expect(phone.locator(".finder-problem")).to_be_hidden()


def test_a_photo_of_no_book_is_answered_with_what_to_try(phone: Page) -> None:
    give(phone, "09-absent.jpg")
    expect(phone.locator("h1")).to_have_text("Not in this library")
    expect(phone.locator(".tips h2")).to_have_text(["Closer", "Less tilt", "More light", "Turn the hand"])
    expect(phone.locator(".photo img")).to_have_js_property("complete", True)
    # What was not verified is never outlined as if it were.
    expect(phone.locator(".page-outline")).to_have_count(0)
    phone.get_by_role("link", name="Try another photo").click()
    expect(phone.locator("h1")).to_have_text("Which page is it?")


def test_several_photos_are_answered_in_a_row_and_kept(phone: Page) -> None:
    give(phone, "01-flat.jpg", "09-absent.jpg", "06-held.jpg")
    expect(phone.locator("h1")).to_have_text("History")
    expect(phone.locator(".history-words strong")).to_have_text(["Page 48", "Not in this library", "Page 3"])
    expect(phone.locator(".notice")).to_have_text("2 of 3 photos found. They are all in the history.")


def test_one_bad_photo_among_several_is_told_at_the_end(phone: Page) -> None:
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all"}
    good = [
        {"name": name, "mimeType": "image/jpeg", "buffer": (PHOTOS / name).read_bytes()}
        for name in ("01-flat.jpg", "02-curled.jpg")
    ]
    phone.goto("/#/")
    chosen = [good[0], words, good[1]]
    phone.locator(".welcome input[type=file]").last.set_input_files(chosen)  # type: ignore[arg-type]
    problem = phone.locator(".finder-problem")
    expect(problem).to_contain_text("1 of 3 photos could not be looked up:")
    expect(problem.locator("li")).to_have_text(["words.jpg: This file cannot be read."])
    expect(problem).to_contain_text("Of the others, 2 of 2 found. They are in the history.")
    with phone.expect_response(FIND) as again:  # of the bad one alone
        problem.get_by_role("button", name="Try again").click()
    assert again.value.status == 422
    expect(problem).to_contain_text("This file cannot be read.")
    phone.get_by_role("link", name="History").click()
    expect(phone.locator(".history-words strong")).to_have_text(["Page 21", "Page 3"])


def test_a_large_photo_is_scaled_down_and_turned_before_it_is_sent(phone: Page) -> None:
    with Image.open(PHOTOS / "01-flat.jpg") as image:
        large = image.resize((3000, 4000)).rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned to the right by a quarter
    data = io.BytesIO()
    large.save(data, "JPEG", exif=exif)
    phone.goto("/")
    chosen = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": data.getvalue()}
    phone.evaluate(_KEEP_SENT)
    phone.locator(".welcome input[type=file]").last.set_input_files(chosen)  # type: ignore[arg-type]
    expect(phone.locator("h1")).to_have_text("Page 3")
    with Image.open(io.BytesIO(sent_photo(phone))) as sent:
        assert sent.size == (1500, 2000)
        assert 0x0112 not in sent.getexif()


def test_a_photo_that_the_browser_cannot_read_is_sent_as_it_is(phone: Page) -> None:
    # The answer is made up: what is looked at is what the page sends, and what it shows without a picture.
    match = {"source": "a.pdf", "page": 5, "verified": True, "confidence": 0.97, "file": None, "text": None}
    match |= {"book": {"id": 1, "title": "A", "pages": 9}, "quad": [[1, 2], [60, 2], [60, 90], [1, 90]]}
    answer = {"photo": "page.heic", "status": "found", "seconds": 0.1, "width": 64, "height": 96}
    phone.route(FIND, lambda route: route.fulfill(json={**answer, "matches": [match]}))
    heic = ROOT / "tests" / "page.heic"
    phone.goto("/")
    phone.evaluate(_KEEP_SENT)
    phone.locator(".welcome input[type=file]").last.set_input_files(heic)
    expect(phone.locator("h1")).to_have_text("Page 5")
    assert sent_photo(phone) == heic.read_bytes()
    expect(phone.locator(".certainty")).to_have_text("Very likely")
    expect(phone.locator(".photo")).to_contain_text("cannot show photos of this kind")
    expect(phone.locator(".page-outline .line")).to_have_attribute("points", "1,2 60,2 60,90 1,90")
    # The outline is beside what is said, not across it.
    words, frame, whole = (
        phone.locator(place).bounding_box() for place in (".photo-gone", ".photo-frame", ".photo")
    )
    assert words is not None
    assert frame is not None
    assert whole is not None
    assert words["y"] >= frame["y"] + frame["height"]
    assert words["y"] + words["height"] <= whole["y"] + whole["height"] + 0.5
    assert phone.locator(".photo-gone").evaluate("(text) => text.scrollWidth <= text.clientWidth")
    # A book that is no PDF has none to open.
    expect(phone.get_by_role("link", name="Open the PDF")).to_have_count(0)


def test_a_file_that_is_no_photo_is_refused_with_a_sentence(phone: Page) -> None:
    phone.goto("/")
    words = {"name": "words.jpg", "mimeType": "image/jpeg", "buffer": b"no photo at all"}
    phone.locator(".welcome input[type=file]").last.set_input_files(words)  # type: ignore[arg-type]
    expect(phone.get_by_role("alert").filter(has_text="cannot be read")).to_be_visible()
    expect(phone.get_by_role("button", name="Try again")).to_be_visible()


def test_a_busy_server_is_asked_again_when_it_said(phone: Page) -> None:
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            route.continue_()
            return
        refused.append(route.request.url)
        busy = '{"title": "Service Unavailable", "status": 503, "detail": "busy"}'
        headers = {"Retry-After": "2", "Content-Type": "application/problem+json"}
        route.fulfill(status=503, headers=headers, body=busy)

    phone.route(FIND, refuse_once)
    give(phone, "01-flat.jpg")
    expect(phone.locator(".finder-status")).to_have_text("The server is busy. Trying again in 2 s…")
    expect(phone.locator("h1")).to_have_text("Page 3")
    assert len(refused) == 1


def test_a_photo_waits_for_a_server_that_is_gone(phone: Page) -> None:
    phone.goto("/")
    phone.context.set_offline(True)
    phone.locator(".welcome input[type=file]").last.set_input_files(PHOTOS / "01-flat.jpg")
    expect(phone.locator(".offline")).to_contain_text("cannot be reached")
    expect(phone.locator(".finder-status")).to_contain_text("is sent as soon as it can")
    phone.context.set_offline(False)
    expect(phone.locator("h1")).to_have_text("Page 3")
    expect(phone.locator(".offline")).to_be_hidden()


def test_a_photo_that_waits_for_a_server_that_is_gone_can_be_cancelled(phone: Page) -> None:
    phone.goto("/")
    phone.context.set_offline(True)
    phone.locator(".welcome input[type=file]").last.set_input_files(PHOTOS / "01-flat.jpg")
    expect(phone.locator(".finder-status")).to_contain_text("is sent as soon as it can")
    phone.get_by_role("button", name="Cancel").click()
    expect(phone.get_by_role("button", name="Start the camera")).to_be_visible()
    expect(phone.locator(".offline")).to_be_visible()
    expect(phone.locator(".finder-problem")).to_be_hidden()


def test_a_server_that_falls_asleep_while_it_is_asked_is_asked_again(phone: Page) -> None:
    asked: list[str] = []

    def sleep_once(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) > 1:  # the first one is never answered
            route.continue_()

    phone.route("**/api/v1/health", sleep_once)
    phone.route(FIND, lambda route: route.continue_() if asked else route.abort())
    give(phone, "01-flat.jpg")
    expect(phone.locator("h1")).to_have_text("Page 3")
    assert len(asked) == 2


def test_without_tls_the_phones_own_camera_is_offered_and_why_is_said(browser: Browser, address: str) -> None:
    insecure = address.replace("127.0.0.1", INSECURE)
    with opened(browser, insecure, **PHONE) as page:
        page.goto("/")
        assert page.evaluate("window.isSecureContext") is False
        expect(page.locator(".welcome")).to_contain_text("whichpage serve --tls")
        expect(page.get_by_role("button", name="Start the camera")).to_have_count(0)
        own = page.locator("input[capture=environment]")
        expect(own).to_have_attribute("accept", re.compile("image/"))
        own.set_input_files(PHOTOS / "06-held.jpg")
        expect(page.locator("h1")).to_have_text("Page 48")


def test_without_the_key_the_page_says_how_to_get_it(phone: Page) -> None:
    refusal = '{"title": "Unauthorized", "status": 401, "detail": "no key"}'
    phone.route("**/api/v1/**", lambda route: route.fulfill(status=401, body=refusal))
    phone.goto("/")
    expect(phone.locator(".finder-problem")).to_contain_text("Open it with the QR code")
    # Nothing stands where a button to try again would.
    expect(phone.locator(".finder-problem")).not_to_contain_text("null")
    phone.goto("/#/library")
    expect(phone.locator("h1")).to_contain_text("Open it with the QR code")


def test_the_key_can_be_typed_or_its_link_be_pasted(browser: Browser, tmp_path: Path) -> None:
    key = "0123456789abcdef"
    with serving(make_library(tmp_path), "--key", key) as address:
        with opened(browser, address) as page:
            page.goto("/#/library")
            field = page.get_by_role("textbox", name="Or type the key here, or paste the link")
            field.fill("fedcba9876543210")
            page.get_by_role("button", name="Open", exact=True).click()
            expect(page.locator(".key-form")).to_contain_text("This is not the key.")
            field.fill(f" {key} ")
            field.press("Enter")
            expect(page.locator(".book")).to_have_count(5)
            page.reload()
            expect(page.locator(".book")).to_have_count(5)
        with opened(browser, address) as page:
            page.goto("/")
            field = page.locator(".finder-problem").get_by_role("textbox")
            field.fill(f"http://192.168.1.5:8765/?key={key}")
            page.locator(".finder-problem").get_by_role("button", name="Open", exact=True).click()
            expect(page.locator(".finder-problem")).to_be_hidden()
            give(page, "01-flat.jpg")
            expect(page.locator("h1")).to_have_text("Page 3")
            assert [one["value"] for one in page.context.cookies()] == [key]
