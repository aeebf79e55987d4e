"""The demo: indexes demo/library, finds demo/photos and checks the answers; `make demo` runs it.

usage: python demo/run.py [OUT]        (default: demo/out)

Everything goes through the `whichpage` command, as a user would call it.
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from whichpage.answers import confidence_text

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Returns 0 when every photo is answered right."""
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "out"
    if (out / "library").exists():
        shutil.rmtree(out / "library")
    out.mkdir(parents=True, exist_ok=True)
    photos = sorted((HERE / "photos").glob("*.jpg"))
    began = time.perf_counter()

    whichpage(out, "add", str(HERE / "library"))
    found = whichpage(out, "find", "--json", "--save", str(out / "pictures"), *map(str, photos))
    answers = [json.loads(line) for line in found.splitlines()]
    right = show(answers, truth=read_truth(HERE / "photos" / "truth.csv"))

    print(
        f"\n{right} of {len(photos)} photos are answered right, in {time.perf_counter() - began:.0f} s in all"
    )
    print(f"pictures: {out / 'pictures'}")
    return 0 if right == len(photos) else 1


def whichpage(out: Path, *arguments: str) -> str:
    """What the command prints on standard output; ends the demo where the command fails."""
    shown = " ".join(a if "/photos/" not in a else Path(a).name for a in arguments)
    print(f"$ whichpage --library {out / 'library'} {shown}", flush=True)
    command = [sys.executable, "-m", "whichpage", "--library", str(out / "library"), *arguments]
    run = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if arguments[0] == "add":
        print(run.stdout, end="")
    # 1 says that none of the photos was found; whether that is right is for the truth to say.
    if run.returncode not in (0, 1):
        sys.exit(f"whichpage {arguments[0]} failed with exit code {run.returncode}")
    return run.stdout


def read_truth(table: Path) -> dict[str, set[tuple[str, int]]]:
    """Photo -> the book and page of each page in it; empty for a photo of no page in the library."""
    with table.open(newline="", encoding="utf-8") as file:
        return {
            row["photo"]: {(row["book"], int(page)) for page in row["pages"].split("|") if page}
            for row in csv.DictReader(file)
        }


def show(answers: list[dict[str, Any]], *, truth: dict[str, set[tuple[str, int]]]) -> int:
    """Prints the answers as a table and returns how many are right: every page of the photo, and no other."""
    print(f"\n{'photo':20}  {'book':19}  {'page':>4}  {'confidence':>10}  {'seconds':>7}")
    right = 0
    for answer in answers:
        name = Path(answer["photo"]).name
        verified = [match for match in answer["matches"] if match["verified"]]
        pages = {(Path(match["source"]).name, match["page"]) for match in verified}
        good = answer["status"] != "error" and pages == truth[name]
        right += good
        mark = "right" if good else f"WRONG, it is {sorted(truth[name]) or 'no page of the library'}"
        rows = [(Path(m["source"]).name, str(m["page"]), confidence_text(m["confidence"])) for m in verified]
        for book, page, confidence in rows or [(answer.get("error", "not in this library"), "", "")]:
            print(f"{name:20}  {book:19}  {page:>4}  {confidence:>10}  {answer['seconds']:>7.2f}  {mark}")
    return right


if __name__ == "__main__":
    sys.exit(main())
