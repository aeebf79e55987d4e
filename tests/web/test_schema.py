"""What OpenAPI promises holds for requests that nobody would think of (Schemathesis)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from books import TINY_MODEL, make_pdf
from hypothesis import HealthCheck, Phase, settings
from running import running
from schemathesis.specs.openapi.checks import positive_data_acceptance

from whichpage.library import Library
from whichpage.web.app import create_app
from whichpage.web.options import ServeOptions

EXAMPLES = 15


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, Library]]:
    """A server with a book of three pages, whatever is removed from it."""
    folder = tmp_path_factory.mktemp("schema")
    with Library.open(folder / "library", model=TINY_MODEL, create=True) as library:
        library.add(make_pdf(folder / "a.pdf", 3))
        with running(library, photo_bytes=100_000, book_bytes=100_000) as client:
            yield client, library


def described() -> Any:
    """The API's own description; the library behind it is never asked."""
    app = create_app(Library.__new__(Library), ServeOptions())
    return schemathesis.openapi.from_dict(app.openapi())


schema = described()


@schema.exclude(method="GET", path="/api/v1/jobs/{id}/events").parametrize()  # type: ignore[untyped-decorator]
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_description_holds(case: Any, shared: tuple[httpx.Client, Library]) -> None:
    client, _ = shared
    root = str(client.base_url).removesuffix("/api/v1/")
    # No schema can say which bytes are a photo or a book: those that are none are rightly refused.
    case.call_and_validate(base_url=root, excluded_checks=[positive_data_acceptance])


def test_every_route_is_described() -> None:
    paths = described().raw_schema["paths"]
    assert {(path.removeprefix("/api/v1"), method) for path in paths for method in paths[path]} == {
        ("/find", "post"),
        ("/books", "get"),
        ("/books", "post"),
        ("/books/{id}", "get"),
        ("/books/{id}", "delete"),
        ("/books/{id}/cover", "get"),
        ("/books/{id}/file", "get"),
        ("/books/{id}/pages", "get"),
        ("/books/{id}/pages/{n}/image", "get"),
        ("/books/{id}/pages/{n}/text", "get"),
        ("/jobs", "get"),
        ("/jobs/{id}", "get"),
        ("/jobs/{id}/events", "get"),
        ("/health", "get"),
        ("/metrics", "get"),
    }


def test_problems_are_described_as_problems_and_answers_have_examples() -> None:
    raw = described().raw_schema
    for path, methods in raw["paths"].items():
        for method, operation in methods.items():
            for status, answer in operation["responses"].items():
                if status[0] in "45" and status != "416":
                    assert list(answer["content"]) == ["application/problem+json"], (path, method, status)
    for name in ("FindOut", "BookOut", "PageOut", "TextOut", "JobOut", "HealthOut", "ProblemOut"):
        assert raw["components"]["schemas"][name]["examples"], name


def test_examples_are_what_they_are_examples_of() -> None:
    import whichpage.web.schema as words

    for name in ("FindOut", "MatchOut", "BookOut", "PageOut", "TextOut", "JobOut", "HealthOut", "ProblemOut"):
        model = getattr(words, name)
        (example,) = model.model_json_schema()["examples"]
        assert model.model_validate(example, strict=False).model_dump(mode="json").keys() >= example.keys()
