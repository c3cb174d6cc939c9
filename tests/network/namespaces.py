"""A network of its own for a test: phone ─ NAT ─ servers, in Linux network namespaces (ip-netns(8)). Needs root.

Owns: the namespaces, their cables and addresses, the NAT, what the NAT drops, the phone's resolv.conf. Must not know:
SIP, the softphone.

    phone (10.78.1.2) ── 10.78.1.1 NAT 10.78.2.2 ── server (10.78.2.1, 10.78.2.11, 10.78.2.12)

The test itself enters the servers' namespace, so that peers started by it live there without knowing it; the phone is
started through `in_phone`. Threads take the namespace of the thread that makes them.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.peers.process import require, search_path

PHONE: Final = "10.78.1.2"
OTHER_PHONE: Final = "10.78.1.3"
"""Where the phone may find itself after a change of the network."""
SERVER: Final = "10.78.2.1"
SECOND_SERVER: Final = "10.78.2.11"
THIRD_SERVER: Final = "10.78.2.12"
_GATEWAY, _OUTSIDE, _OTHER_OUTSIDE = "10.78.1.1", "10.78.2.2", "10.78.2.3"
_CLONE_NEWNET = 0x40000000
_CONFIGURATIONS = Path("/etc/netns")


class Network:
    """The three namespaces; `close` removes them. `nat=False`: the middle one only routes."""

    def __init__(self, *, nat: bool = True) -> None:
        require("ip", "iptables")
        _remove_orphans()
        base = f"sp{os.getpid()}"
        self.phone, self._middle, self.server = (f"{base}{name}" for name in ("p", "n", "s"))
        self._configuration = _CONFIGURATIONS / self.phone
        try:
            self._build(nat=nat)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Programs within must have ended. May be called again."""
        for name in (self.phone, self._middle, self.server):
            subprocess.run(["ip", "netns", "del", name], env=_environment(), capture_output=True, check=False)
        shutil.rmtree(self._configuration, ignore_errors=True)

    @property
    def in_phone(self) -> tuple[str, ...]:
        """What comes before a command that is to run where the phone is."""
        return ("ip", "netns", "exec", self.phone)

    @contextlib.contextmanager
    def among_servers(self) -> Iterator[None]:
        """This thread is in the servers' namespace."""
        with _entered(self.server):
            yield

    @contextlib.contextmanager
    def at_phone(self) -> Iterator[None]:
        """This thread is in the phone's namespace: its network, not its resolv.conf."""
        with _entered(self.phone):
            yield

    # What happens to the network

    def drop_everything(self) -> None:
        """Total silence: nothing passes the NAT in either direction, and nobody is told."""
        self._in(self._middle, "iptables", "-I", "FORWARD", "1", "-j", "DROP")

    def drop_nothing(self) -> None:
        self._in(self._middle, "iptables", "-D", "FORWARD", "1")

    def rebind_nat(self) -> None:
        """The NAT gets another address outside, and with that forgets every mapping (as a router that dials in anew).

        Nobody tells the phone.
        """
        self._in(self._middle, "ip", "addr", "del", f"{_OUTSIDE}/24", "dev", "outside")
        self._in(self._middle, "ip", "addr", "add", f"{_OTHER_OUTSIDE}/24", "dev", "outside")

    def move_phone(self, address: str = OTHER_PHONE) -> None:
        """The phone's address changes: the old one is taken away, then the new one is there."""
        self._in(self.phone, "ip", "addr", "flush", "dev", "wan", "scope", "global")
        self._in(self.phone, "ip", "addr", "add", f"{address}/24", "dev", "wan")
        self._in(self.phone, "ip", "route", "add", "default", "via", _GATEWAY)

    def cable(self, *, plugged: bool) -> None:
        """The far end of the phone's cable goes: the phone loses its carrier, and keeps its address."""
        self._in(self._middle, "ip", "link", "set", "inside", "up" if plugged else "down")

    def link(self, *, up: bool) -> None:
        """The phone's own interface is switched off, which takes its routes away, or on with them."""
        self._in(self.phone, "ip", "link", "set", "wan", "up" if up else "down")
        if up:
            self._in(self.phone, "ip", "route", "replace", "default", "via", _GATEWAY)

    # Building

    def _build(self, *, nat: bool) -> None:
        for name in (self.phone, self._middle, self.server):
            _run("ip", "netns", "add", name)
            self._in(name, "ip", "link", "set", "lo", "up")
        self._cable(self.phone, "wan", (PHONE,), "inside", _GATEWAY)
        self._cable(self.server, "lan", (SERVER, SECOND_SERVER, THIRD_SERVER), "outside", _OUTSIDE)
        self._in(self._middle, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._in(self.phone, "ip", "route", "add", "default", "via", _GATEWAY)
        if nat:
            self._in(self._middle, "iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "outside", "-j", "MASQUERADE")
        else:
            self._in(self.server, "ip", "route", "add", "default", "via", _OUTSIDE)
        self._configuration.mkdir(parents=True)
        (self._configuration / "resolv.conf").write_text(f"nameserver {SERVER}\noptions timeout:1 attempts:1\n")

    def _cable(self, name: str, device: str, addresses: tuple[str, ...], far_device: str, far_address: str) -> None:
        far = ("peer", "name", far_device, "netns", self._middle)
        self._in(name, "ip", "link", "add", device, "type", "veth", *far)
        for address in addresses:
            self._in(name, "ip", "addr", "add", f"{address}/24", "dev", device)
        self._in(self._middle, "ip", "addr", "add", f"{far_address}/24", "dev", far_device)
        self._in(name, "ip", "link", "set", device, "up")
        self._in(self._middle, "ip", "link", "set", far_device, "up")

    @staticmethod
    def _in(name: str, *command: str) -> None:
        _run("ip", "netns", "exec", name, *command)


def _remove_orphans() -> None:
    """What a test run that was killed has left behind: its process is gone."""
    for folder in (Path("/run/netns"), _CONFIGURATIONS):
        for entry in folder.glob("sp*") if folder.exists() else ():
            owner = re.fullmatch(r"sp(\d+)[pns]", entry.name)
            if owner is None or Path(f"/proc/{owner[1]}").exists():
                continue
            if folder is _CONFIGURATIONS:
                shutil.rmtree(entry, ignore_errors=True)
            else:
                subprocess.run(["ip", "netns", "del", entry.name], env=_environment(), capture_output=True, check=False)


@contextlib.contextmanager
def _entered(name: str) -> Iterator[None]:
    """This thread is in a namespace (setns(2), which Python has from 3.12)."""
    with Path("/proc/thread-self/ns/net").open("rb") as before, Path(f"/run/netns/{name}").open("rb") as there:
        _set_namespace(there.fileno())
        try:
            yield
        finally:
            _set_namespace(before.fileno())


def _set_namespace(descriptor: int) -> None:
    library = ctypes.CDLL(None, use_errno=True)
    if library.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _run(*command: str) -> None:
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, timeout=10, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


def _environment() -> dict[str, str]:
    return {**os.environ, "PATH": search_path()}
