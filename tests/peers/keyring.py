"""A GNOME Keyring of the tests' own, on a session bus of its own, unlocked with an empty password.

Owns: the bus, the daemon, their folder. Must not know: what is kept in it. `environment` is for the programs that are
to find this keyring and no other.
"""

from __future__ import annotations

import os
import shutil
import subprocess

from tests.peers.process import PeerProcess, require, short_directory

_CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={socket}</listen>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy></busconfig>
"""


class Keyring:
    """Ready when the constructor returns; everything in it is gone after `stop`."""

    def __init__(self) -> None:
        require("dbus-daemon", "gnome-keyring-daemon", "gdbus")
        self.directory = short_directory("keyring")
        socket, configuration = self.directory / "bus", self.directory / "bus.conf"
        configuration.write_text(_CONFIGURATION.format(socket=socket))
        self.environment = {
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}",
            "XDG_DATA_HOME": str(self.directory / "data"),
            "GNOME_KEYRING_CONTROL": str(self.directory / "control"),
        }
        log = self.directory / "log"
        self._bus = PeerProcess(
            "dbus-daemon", ["dbus-daemon", f"--config-file={configuration}", "--nofork", "--nopidfile"], log=log
        )
        self._bus.until(socket.exists, "a session bus", 20.0)
        self._daemon = PeerProcess(
            "gnome-keyring-daemon",
            [
                *("gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"),
                f"--control-directory={self.directory / 'control'}",
            ],
            log=log,
            environment=self.environment,
            stdin=subprocess.PIPE,
        )
        assert self._daemon.stdin is not None
        self._daemon.stdin.write(b"\n")
        self._daemon.stdin.close()
        self._daemon.until(self._answers, "the keyring", 30.0)

    def _answers(self) -> bool:
        """The collection that passwords go to is there and open."""
        words = ("--session", "--dest", "org.freedesktop.secrets", "--object-path", "/org/freedesktop/secrets")
        alias = ("--method", "org.freedesktop.Secret.Service.ReadAlias", "default")
        done = subprocess.run(
            ["gdbus", "call", *words, *alias],
            env={**os.environ, **self.environment},
            capture_output=True,
            timeout=20,
            check=False,
        )
        return b"/org/freedesktop/secrets/collection/" in done.stdout

    def stop(self) -> None:
        self._daemon.stop()
        self._bus.stop()
        shutil.rmtree(self.directory, ignore_errors=True)
