"""`python -m graftage` is `graftage`."""

from __future__ import annotations

import sys

from graftage.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
