"""`python -m topopt` is `topopt`."""

from __future__ import annotations

import sys

from topopt.cli import main

if __name__ == "__main__":
    sys.exit(main())
