"""Everything that can be wrong with a server, seen in the window: a real engine process, the real link, bad servers.

The words themselves are `tests/endtoend/test_registration_failures.py`'s; here they reach the person's eye.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PySide6.QtCore import QSettings
from pytestqt.qtbot import QtBot

from softphone.engine import clock
from softphone.engine.process.window_engine import window_link
from softphone.engine.throwaway_ca import ThrowawayAuthority
from softphone.messages import SignIn
from softphone.policy.secret import Secret
from softphone.ui.main_window import MainWindow
from softphone.ui.phone_link import PhoneLink
from tests.engine.hostile_servers import RawHandler, answers, closed_port, openssl_server, raw_server
from tests.peers.certificates import PrivateCa
from tests.peers.conftest import Peers
from tests.peers.kamailio import Kamailio
from tests.processes.conftest import ca, peers, running, start_running
from tests.processes.running import Running

__all__ = ["ca", "peers", "running", "start_running"]

pytestmark = [pytest.mark.window, pytest.mark.peer]


@dataclass
class Screen:
    """The window, tied to a real engine as `ui/run.py` ties it."""

    window: MainWindow
    link: PhoneLink
    qtbot: QtBot
    count: int = 0

    def shows(self, port: int, ca_file: Path, reason: str, remedy: str, password: str = "alicepw") -> None:
        self.count += 1
        account = f"account{self.count}"
        self.link.submit(
            SignIn(
                account,
                "alice",
                "sip.test",
                Secret(password),
                f"localhost:{port}",
                ca_files=(str(ca_file),),
                remember_password=False,
            )
        )

        def seen() -> None:
            row = self.window.accounts.rows.get(account)
            assert row is not None
            assert row.trouble.isVisible()
            assert reason in row.trouble.reason.text().replace("\u200b", "")
            assert remedy in row.trouble.remedy.text().replace("\u200b", "")
            assert row.state.text()

        self.qtbot.waitUntil(seen, timeout=60_000)


@pytest.fixture
def screen(running: Running, qtbot: QtBot, tmp_path: Path) -> Iterator[Screen]:
    start = running.start(*running.engine_options())
    link = PhoneLink(lambda wake: window_link(start, wake, lambda: None), clock.now)
    window = MainWindow(link.submit, clock.now, QSettings(str(tmp_path / "w.ini"), QSettings.Format.IniFormat))
    qtbot.addWidget(window, before_close_func=lambda w: w.leave())
    link.changed.connect(lambda: window.render_state(link.state))
    window.show()
    with qtbot.waitSignal(link.attached, timeout=60_000):
        link.start()
    yield Screen(window, link, qtbot)
    link.close()


CERTIFICATES = {
    "rogue": ("CN=Rogue CA", ""),
    "wrong_name": ("is not for localhost", ""),
    "expired": ("expired on 20", "renew"),
    "self_signed": ("is self-signed", "pin"),
}


def test_a_bad_certificate_and_a_wrong_password_are_said_in_the_window(
    screen: Screen, peers: Peers, ca: PrivateCa
) -> None:
    for identity, (reason, remedy) in CERTIFICATES.items():
        kamailio = peers.start(Kamailio, ca, identity=getattr(ca, identity))
        screen.shows(kamailio.tls_port, ca.root, reason, remedy)
    kamailio = peers.start(Kamailio, ca)
    screen.shows(kamailio.tls_port, ca.root, "password of alice", "Check user name", password="wrong")


def test_what_is_no_tls_or_the_wrong_tls_is_said_in_the_window(screen: Screen, tmp_path: Path) -> None:
    authority = ThrowawayAuthority.create()
    root = authority.write(tmp_path)
    for options, reason in (
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "TLS 1.2 is the oldest accepted"),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"), "none of the cipher suites"),
    ):
        with openssl_server(tmp_path, authority.issue("localhost"), *options) as port:
            screen.shows(port, root, reason, "")
    with raw_port(answers(b"SIP/2.0 400 Bad Request\r\n\r\n")) as port:
        screen.shows(port, root, "unencrypted SIP", "SIP-over-TLS port")
    screen.shows(closed_port(), root, "refused the connection", "5061")


@contextlib.contextmanager
def raw_port(handler: RawHandler) -> Iterator[int]:
    """The raw server on a loop of its own, while Qt has this thread."""
    ready, over = threading.Event(), threading.Event()
    ports: list[int] = []

    async def serve() -> None:
        async with raw_server(handler) as port:
            ports.append(port)
            ready.set()
            await asyncio.to_thread(over.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(5)
        yield ports[0]
    finally:
        over.set()
        thread.join(5)
