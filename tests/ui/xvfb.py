"""An X server of the test's own, without a screen: keys typed into it, pictures of what it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from PySide6.QtGui import QImage

from tests.peers.process import PeerProcess, require

_GRAB = """
import sys
from PySide6.QtGui import QGuiApplication
app = QGuiApplication([])
sys.exit(not app.primaryScreen().grabWindow(0).save(sys.argv[1]))
"""


class XServer:
    """`environment` is for the programs that are to show themselves here."""

    def __init__(self, directory: Path, size: str = "900x1000") -> None:
        require("Xvfb", "xdotool")
        self._directory = directory
        # The server chooses a free display and writes its number to the file. Without -noreset it starts anew, and
        # refuses connections meanwhile, whenever its last program leaves.
        number = directory / "display"
        start = f'exec Xvfb -displayfd 3 -noreset -nolisten tcp -screen 0 {size}x24 3>"$1"'
        self._process = PeerProcess("Xvfb", ["sh", "-c", start, "sh", str(number)], log=directory / "xvfb.log")
        display = self._process.until(lambda: number.exists() and number.read_text().strip(), "a display", 10.0)
        self.environment = {**os.environ, "DISPLAY": f":{display}", "QT_QPA_PLATFORM": "xcb"}

    def tool(self, *words: str) -> str:
        """Runs xdotool; what it prints."""
        done = subprocess.run(["xdotool", *words], env=self.environment, capture_output=True, timeout=20, check=False)
        return done.stdout.decode().strip()

    def focus(self, program: PeerProcess, title: str = "Softphone") -> None:
        """Waits for the program's window and gives it the keyboard, as there is no window manager to do it."""

        def found() -> str:
            return self.tool("search", "--onlyvisible", "--name", title)

        window = program.until(found, f"a window {title}", 20.0).split()[-1]
        self.tool("windowfocus", "--sync", window)

    def type(self, text: str) -> None:
        self.tool("type", "--delay", "30", text)

    def key(self, *keys: str) -> None:
        self.tool("key", *keys)

    def picture(self) -> QImage:
        """All of the screen."""
        file = self._directory / "screen.png"
        subprocess.run([sys.executable, "-c", _GRAB, str(file)], env=self.environment, timeout=30, check=True)
        return QImage(str(file))

    def stop(self) -> None:
        self._process.stop()


def colours(picture: QImage) -> Counter[str]:
    """How many pixels have each colour, by its name like "#1a6b45"."""
    pixels = memoryview(picture.convertToFormat(QImage.Format.Format_RGB32).constBits()).cast("I")
    return Counter({f"#{pixel & 0xFFFFFF:06x}": count for pixel, count in Counter(pixels).items()})
