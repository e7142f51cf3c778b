"""``python -m gradrepl``."""

from gradrepl.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
