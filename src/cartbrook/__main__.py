"""`python -m cartbrook` is the `cartbrook` command."""

from __future__ import annotations

from cartbrook.cli import main

if __name__ == "__main__":
    main()
