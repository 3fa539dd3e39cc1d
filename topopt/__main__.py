"""`python -m topopt` is `topopt`."""

from __future__ import annotations

from topopt.cli import main

if __name__ == "__main__":
    main()
