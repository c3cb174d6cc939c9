"""The options that name an account of the tests, and the settings file that says the same."""

from __future__ import annotations

from pathlib import Path

from tests.peers.kamailio import DOMAIN


def signed_in(port: int, root: Path, user: str = "alice", host: str = "localhost") -> tuple[str, ...]:
    """For a server on the loopback whose certificate `root` has issued."""
    return ("--server", f"{host}:{port}", "--user", user, "--domain", DOMAIN, "--ca", str(root))
