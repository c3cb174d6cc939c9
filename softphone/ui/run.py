"""The window's process from start to end: Qt, the window, its link to the engine, signals, the last word to the engine.

Must not know: how an engine is started (`app`'s part) and anything of sound, keyring or asyncio.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QLibraryInfo, QLocale, QObject, QSettings, QSocketNotifier, QTimer, QTranslator, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from softphone.engine import clock
from softphone.messages import Quit
from softphone.storage.resource import resource_path
from softphone.ui.lab_account import LAB_SERVICE, LabAccount
from softphone.ui.main_window import MainWindow
from softphone.ui.phone_link import Link, PhoneLink

LinkMaker = Callable[[Callable[[], None], Callable[[], None]], Link]
"""(wake, another_window) → link, not started yet; both are called from the link's own thread."""
_END_WITHIN_MS = 4_000  # for the engine to hang up and unregister; after that the window ends all the same


class WindowProcess(QObject):
    """Ties the window to the link; one a process."""

    _another_window = Signal()

    def __init__(self, application: QApplication, make_link: LinkMaker, lab: LabAccount | None, places: Path) -> None:
        super().__init__()
        self._application, self._lab = application, lab
        self._ending = False
        self.link = PhoneLink(lambda wake: make_link(wake, self._another_window.emit), clock.now, self)
        hint = ""
        if lab is not None:
            hint = self.tr(
                "The built-in lab on this computer. Call “echo” to hear yourself, “hold”, “busy” or “clear”."
            )
        self.window = MainWindow(
            self.link.submit,
            clock.now,
            QSettings(str(places), QSettings.Format.IniFormat),
            hint=hint,
            account_comes=lab is not None,
        )
        self._another_window.connect(self._end)  # that window has come to the front: this one is not needed
        self.window.quit_requested.connect(self._quit)
        self.link.changed.connect(lambda: self.window.render_state(self.link.state))
        self.link.attached.connect(self._attached)
        self.link.lost.connect(self._lost)
        self.link.unavailable.connect(self.window.engine_unavailable)
        self.link.raised.connect(self.window.raise_with)
        self.link.ending.connect(self._end)

    def start(self, dial: str) -> None:
        self.window.dial_view.put(dial or (LAB_SERVICE if self._lab else ""))
        if self._lab is not None:
            self.link.submit(self._lab.command())
        self.window.show()
        self.link.start()

    def _attached(self) -> None:
        self.window.engine_attached()

    def _lost(self, reason: str) -> None:
        if self._ending:
            self._end()
        self.window.engine_lost(reason)

    def _quit(self) -> None:
        """The engine ends calls and unregisters; its last event, or the time, ends this process."""
        self._ending = True
        self.link.submit(Quit())
        QTimer.singleShot(_END_WITHIN_MS, self._end)

    def _end(self) -> None:
        """Qt asks each window before it quits, and ours asks the person while it shows a call."""
        self.window.end()
        self._application.quit()


def run_window(make_link: LinkMaker, *, lab: LabAccount | None, dial: str, places: Path) -> int:
    """Shows the window until it is closed; the process's exit code. `places` is the file for its place and size."""
    application = QApplication(sys.argv[:1])
    application.setApplicationName("softphone")
    application.setApplicationDisplayName("Softphone")
    application.setDesktopFileName("softphone")
    application.setWindowIcon(QIcon(str(resource_path("icons/softphone.svg"))))
    application.setQuitOnLastWindowClosed(False)
    _translate(application)
    process = WindowProcess(application, make_link, lab, places)
    stop_listening = _quit_on_signals(process.window)
    process.start(dial)
    try:
        return application.exec()
    finally:
        stop_listening()
        process.link.close()


def _translate(application: QApplication) -> None:
    """Our own texts where they are translated, and Qt's own."""
    try:
        own = str(resource_path("translations"))
    except FileNotFoundError:
        own = ""
    for name, folder in (("softphone", own), ("qtbase", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))):
        translator = QTranslator(application)
        if folder and translator.load(QLocale(), name, "_", folder):
            application.installTranslator(translator)


def _quit_on_signals(window: MainWindow) -> Callable[[], None]:
    """Ctrl-C and SIGTERM end the phone in order: calls are hung up. Returns the call that ends the listening."""
    if sys.platform == "win32":  # no pipe can be watched there; the console ends the process, the engine sees it
        return lambda: None
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: None)  # the byte in the pipe is what is acted upon
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    notifier = QSocketNotifier(reader, QSocketNotifier.Type.Read, window)

    def stop() -> None:
        notifier.setEnabled(False)
        signal.set_wakeup_fd(-1)
        os.close(reader)
        os.close(writer)

    def caught() -> None:
        notifier.setEnabled(False)
        window.leave()

    notifier.activated.connect(caught)
    return stop
