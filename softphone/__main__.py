"""The program's entry: the window's process is built by `window_process.py`, everything else by `app.py`.

Two roots, because the window's process never imports what only the engine needs.
"""

from __future__ import annotations

import sys


def main() -> None:
    from softphone import window_process

    start = window_process.window_start(sys.argv[1:])
    if start is not None:
        sys.exit(window_process.open_window(start))

    from softphone import app

    sys.exit(app.main(sys.argv[1:]))


if __name__ == "__main__":
    main()
