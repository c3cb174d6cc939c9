"""What holds for every test: the rule about skipped tests, and windows that need no screen.

Loaded before this by pyproject.toml: `tests.early`.
"""

from __future__ import annotations

import os

pytest_plugins = ["tests.skip_rule", "tests.two_workers"]

# A test that wants a real X server starts one and says so to the program it starts.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
