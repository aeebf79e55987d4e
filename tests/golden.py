"""The shipped encoder's codes of two drawn pages, kept in golden_codes.json.

Renew them when src/whichpage/models/encoder.onnx is replaced:

    .venv/bin/python tests/golden.py
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from drawn import text_page

from whichpage.encoder import Encoder
from whichpage.types import Grey, PageCodes

FILE = Path(__file__).parent / "golden_codes.json"


def pages() -> list[Grey]:
    """A full page, and one on its side that ends early."""
    return [text_page(1), text_page(2, height=672, width=960, lines=9)]


def write(codes: PageCodes, model_id: str) -> None:
    """Keeps codes as hex digits and vectors to three decimals."""
    kept = {
        "renew with": ".venv/bin/python tests/golden.py",
        "model_id": model_id,
        "codes": [[code.tobytes().hex() for code in page] for page in codes.bits],
        "vectors": [[" ".join(f"{x:.3f}" for x in vector) for vector in page] for page in codes.vectors],
    }
    FILE.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def read() -> tuple[PageCodes, str]:
    """What `write` kept: (2, 3, 32) codes and (2, 3, 256) vectors, and the model's id."""
    kept = json.loads(FILE.read_text(encoding="utf-8"))
    bits = [[np.frombuffer(bytes.fromhex(code), np.uint8) for code in page] for page in kept["codes"]]
    vectors = [[vector.split() for vector in page] for page in kept["vectors"]]
    return PageCodes(np.array(bits), np.array(vectors).astype(np.float32)), kept["model_id"]


if __name__ == "__main__":
    encoder = Encoder.load()
    write(encoder.encode(pages()), encoder.model_id)
