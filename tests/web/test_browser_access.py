"""For everyone: axe-core, keyboard, both languages, dark and light, installed and offline."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from in_browser import DESKTOP, PHONE, found, give, opened
from playwright.sync_api import Browser, Page, expect

pytest_plugins = ["browser_fixtures"]


def find(page: Page) -> None:
    page.goto("/")
    expect(page.locator(".welcome")).to_be_visible()


def answer(page: Page) -> None:
    found(page, "08-two-pages.jpg")
    expect(page.locator(".page-text")).to_be_visible()


def nothing(page: Page) -> None:
    give(page, "09-absent.jpg")
    page.locator(".nearest summary").click()


def history(page: Page) -> None:
    give(page, "01-flat.jpg", "02-curled.jpg")
    expect(page.locator(".history-list")).to_be_visible()


def library(page: Page) -> None:
    page.goto("/#/library")
    expect(page.locator(".book")).to_have_count(5)


def book(page: Page) -> None:
    library(page)
    page.locator(".book", has_text="testmath").get_by_role("link").click()
    page.locator(".page-text summary").click()


def question(page: Page) -> None:
    library(page)
    page.locator(".book button").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


SCREENS = [find, answer, nothing, history, library, book, question]
LOOKS: list[dict[str, Any]] = [
    {**PHONE, "locale": "en-US", "color_scheme": "light"},
    {**DESKTOP, "locale": "ja-JP", "color_scheme": "dark"},
]


@pytest.mark.parametrize("look", LOOKS, ids=["phone-en-light", "desktop-ja-dark"])
@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.__name__)
def test_axe_finds_nothing_serious(
    browser: Browser, address: str, screen: Callable[[Page], None], look: dict[str, Any]
) -> None:
    # The policy of the page would stop axe-core's script, not what is being tested here.
    with opened(browser, address, **look, bypass_csp=True) as page:
        screen(page)
        violations = Axe().run(page).response["violations"]
    serious = [one for one in violations if one["impact"] in ("serious", "critical")]
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious] == []


def test_every_target_is_large_enough_for_a_thumb(phone: Page) -> None:
    for screen in (find, answer, nothing, history, library):
        screen(phone)
        small = phone.evaluate(
            """() => [...document.querySelectorAll("button, .button, summary, nav a, .back, select")]
              .filter((one) => one.checkVisibility())
              .map((one) => [one.outerHTML.slice(0, 80), one.getBoundingClientRect()])
              .filter(([, box]) => box.width < 44 || box.height < 44)
              .map(([html, box]) => `${html} ${box.width} x ${box.height}`)"""
        )
        assert small == [], screen.__name__


def test_nothing_is_wider_than_the_phone_and_nothing_jumps(phone: Page) -> None:
    phone.add_init_script(
        """window.shifts = 0;
        new PerformanceObserver((list) => {
          for (const one of list.getEntries()) if (!one.hadRecentInput) window.shifts += one.value;
        }).observe({ type: "layout-shift", buffered: true });"""
    )
    for screen in (find, answer, nothing, history, library):
        screen(phone)
        assert phone.evaluate("document.documentElement.scrollWidth") <= 390, screen.__name__
    # Below 0.1 over a whole visit is called good; ours goes through five screens.
    assert phone.evaluate("window.shifts") < 0.1


def test_the_language_is_the_browsers_until_another_is_chosen(browser: Browser, address: str) -> None:
    with opened(browser, address, locale="ja-JP") as page:
        page.goto("/")
        expect(page.locator("html")).to_have_attribute("lang", "ja")
        expect(page.locator("h1")).to_have_text("どの本の、何ページ?")
        give(page, "01-flat.jpg")
        expect(page.locator("h1")).to_have_text("3ページ")
        expect(page.get_by_role("link", name="PDF の 3ページを開く")).to_be_visible()
        page.get_by_role("button", name="English").click()
        expect(page.locator("h1")).to_have_text("Page 3")
        page.reload()
        expect(page.locator("html")).to_have_attribute("lang", "en")
        expect(page.locator("h1")).to_have_text("Page 3")
    with opened(browser, address, locale="fr-FR") as page:
        page.goto("/")
        expect(page.locator("h1")).to_have_text("Which page is it?")


def test_both_languages_say_the_same_things(phone: Page) -> None:
    phone.goto("/")
    shapes = phone.evaluate(
        """async () => {
          const shape = (value) => {
            if (typeof value === "function") return `function of ${value.length}`;
            if (Array.isArray(value)) return value.map(shape);
            if (typeof value !== "object") return typeof value;
            return Object.fromEntries(Object.keys(value).sort().map((key) => [key, shape(value[key])]));
          };
          const load = async (tag) => shape((await import(`/js/lang/${tag}.js`)).default);
          return Promise.all(["en", "ja"].map(load));
        }"""
    )
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) > 80


def test_what_is_said_of_a_problem_goes_by_its_type(phone: Page) -> None:
    problem: dict[str, Any] = {"title": "Conflict", "status": 409, "detail": "d"}
    phone.route("**/api/v1/books", lambda route: route.fulfill(status=409, json=problem))
    for kind, said in (
        ("file-changed", "The book's file is gone, or has changed since it was added."),
        ("library-outdated", "The library cannot do this as it is now."),
    ):
        problem["type"] = f"urn:whichpage:problem:{kind}"
        phone.goto("/#/")
        phone.goto("/#/library")
        expect(phone.locator("h1")).to_have_text(said)


def test_dark_follows_the_system_and_can_be_chosen(browser: Browser, address: str) -> None:
    light, dark = "rgb(243, 244, 240)", "rgb(16, 21, 19)"
    with opened(browser, address, color_scheme="dark") as page:
        page.goto("/")
        expect(page.locator("body")).to_have_css("background-color", dark)
        page.emulate_media(color_scheme="light")
        expect(page.locator("body")).to_have_css("background-color", light)
        page.get_by_role("button", name="Dark appearance").click()
        expect(page.locator("body")).to_have_css("background-color", dark)
        page.reload()
        expect(page.locator("body")).to_have_css("background-color", dark)
        page.get_by_role("button", name="Light appearance").click()
        expect(page.locator("body")).to_have_css("background-color", light)


def test_the_keyboard_reaches_everything_in_order(desktop: Page) -> None:
    desktop.goto("/")
    expect(desktop.locator("h1")).to_be_visible()
    reached = []
    for _ in range(9):
        desktop.keyboard.press("Tab")
        reached.append(
            desktop.evaluate(
                "(document.activeElement.ariaLabel ?? document.activeElement.textContent).trim()"
            )
        )
    assert reached == [
        "Skip to the content",
        "whichpage",
        "Find",
        "History",
        "Library",
        "日本語",
        "Dark appearance",
        "Start the camera",
        "Choose photos",
    ]
    desktop.get_by_role("link", name="Skip to the content").press("Enter")
    assert desktop.evaluate("document.activeElement.id") == "main"


def test_a_new_screen_is_told_to_a_screen_reader(phone: Page) -> None:
    found(phone, "01-flat.jpg")
    expect(phone.locator("h1")).to_be_focused()
    expect(phone.get_by_role("status").filter(has_text="Found: page 3 of testmath")).to_be_attached()
    phone.get_by_role("link", name="Library").click()
    expect(phone.get_by_role("heading", name="Library", level=1)).to_be_focused()
    # Who comes upon it here would take it for news.
    expect(phone.locator("body > [role=status]")).to_be_empty()
    give(phone, "01-flat.jpg", "09-absent.jpg")
    expect(phone.get_by_role("heading", name="History", level=1)).to_be_focused()
    expect(phone.locator("body > [role=status]")).to_have_text(re.compile("1 of 2 photos found"))
    phone.get_by_role("button", name="日本語").click()
    expect(phone.locator("body > [role=status]")).to_be_empty()


def test_motion_is_for_those_who_want_it(browser: Browser, address: str) -> None:
    duration = "parseFloat(getComputedStyle(document.querySelector('main > *')).animationDuration)"
    for motion, longest in (("reduce", 0.001), ("no-preference", 0.32)):
        with opened(browser, address, reduced_motion=motion) as page:
            page.goto("/")
            expect(page.locator("h1")).to_be_visible()
            assert page.evaluate(duration) == longest


def test_it_can_be_installed_and_opens_while_the_server_is_away(browser: Browser, address: str) -> None:
    with opened(browser, address, service_workers="allow") as page:
        page.goto("/")
        manifest = page.context.new_cdp_session(page).send("Page.getAppManifest")
        assert manifest["errors"] == []
        said = json.loads(manifest["data"])
        assert said["display"] == "standalone"
        sizes = {icon["sizes"] for icon in said["icons"]}
        assert {"192x192", "512x512"} <= sizes
        for icon in said["icons"]:
            size = page.evaluate(
                "async (src) => { const image = new Image(); image.src = src; await image.decode();"
                " return `${image.naturalWidth}x${image.naturalHeight}`; }",
                f"/{icon['src']}",
            )
            assert icon["sizes"] in ("any", size)
        page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
        page.reload()  # this time through the service worker, which keeps what it hands on
        expect(page.locator("h1")).to_be_visible()
        page.context.set_offline(True)
        page.goto("/#/library")
        page.reload()
        expect(page.locator("h1")).to_have_text(re.compile("cannot be reached"))
        page.context.set_offline(False)
        expect(page.locator(".book")).to_have_count(5)


def test_nothing_is_asked_of_another_host(desktop: Page, address: str) -> None:
    hosts: set[str] = set()
    desktop.on(
        "request", lambda one: hosts.add(one.url.split("/", 3)[2]) if one.url.startswith("http") else None
    )
    for screen in (answer, history, library):
        screen(desktop)
    assert hosts == {address.split("/")[2]}
