"""The program's entry: everything is built by `app.py`."""

from __future__ import annotations

import sys


def main() -> None:
    from softphone import app

    sys.exit(app.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
