"""Find the page of your own books that a photo shows.

from whichpage import Library

with Library.open("my-library", create=True) as library:
    library.add("books/")
    print(library.find("photo.jpg").matches)
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from whichpage.errors import WhichpageError
    from whichpage.library import Library
    from whichpage.types import Answer, Match

# ONNX Runtime, which runs the models, tells its maker about the computer (from 1.29 on), unless it is told
# not to before it is loaded. Nothing shall leave the computer.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Answer", "Library", "Match", "WhichpageError", "__version__"]

_HOMES = {
    "Answer": "whichpage.types",
    "Library": "whichpage.library",
    "Match": "whichpage.types",
    "WhichpageError": "whichpage.errors",
}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that `whichpage --version` loads neither NumPy nor OpenCV.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
