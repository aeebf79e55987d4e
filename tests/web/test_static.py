"""The page's own files, read as text: what no browser would notice."""

from __future__ import annotations

import re
from pathlib import Path

import whichpage.web

SCRIPTS = Path(whichpage.web.__file__).parent / "static" / "js"
# The browser's own ways to put children into an element; those of `dom.js` leave out what is null.
_OWN = re.compile(r"\.(append|prepend|replaceChildren|replaceWith|before|after)\(")


def test_children_are_put_on_the_page_by_what_leaves_null_out() -> None:
    found = {
        f"{path.relative_to(SCRIPTS).as_posix()}: {line.strip()}"
        for path in SCRIPTS.rglob("*.js")
        for line in path.read_text(encoding="utf-8").splitlines()
        if _OWN.search(line)
    }
    assert found == {
        "dom.js: export const append = (element, ...children) => element.append(...real(children));",
        "dom.js: element.replaceChildren(...wanted);",
        # Forms, which are no elements.
        'api.js: body.append("photo", photo, name);',
        'api.js: body.append("file", file, file.name);',
    }
