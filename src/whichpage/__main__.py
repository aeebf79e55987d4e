"""`python -m whichpage` is the `whichpage` command."""

from __future__ import annotations

from whichpage.cli import main

if __name__ == "__main__":
    main()
