"""What a fresh process offers on the wire, whatever its environment says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import softphone
from softphone.engine.handshake_watch import HandshakeWatch
from softphone.policy.tls import TlsProfile

CHECKOUT = Path(softphone.__file__).parent.parent

FOREIGN_CONFIGURATION = """
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = defaults
[defaults]
Ciphersuites = TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""

CLIENT = """
import sys
{before}
import softphone, asyncio, json, os
from softphone.errors import OperationFailed
from softphone.policy.tls import TlsProfile, TlsSettings
from softphone.engine.connector import FlowOpener
from softphone.ua.account import ServerTarget
from softphone.ua.actions import OpenFlow

port, profile = int(sys.argv[1]), TlsProfile(sys.argv[2])
seen = {{name: os.environ.get(name) for name in ("OPENSSL_CONF", "SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR")}}
try:
    asyncio.run(FlowOpener().open(
        OpenFlow("flow", "account", ServerTarget("127.0.0.1", port)), TlsSettings(profile=profile), print, print))
except OperationFailed as refused:
    print(json.dumps({{"kind": refused.failure.kind.value, "reason": refused.failure.reason, "environment": seen}}))
"""


def run_client(folder: Path, profile: TlsProfile, before: str = "") -> tuple[bytes, dict[str, object]]:
    """Start a client in a process of its own with a hostile environment; gives its ClientHello and what it printed."""
    configuration, key_log = folder / "foreign.cnf", folder / "keys.log"
    configuration.write_text(FOREIGN_CONFIGURATION)
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(CHECKOUT),
        "OPENSSL_CONF": str(configuration),
        "SSLKEYLOGFILE": str(key_log),
        "SSL_CERT_FILE": str(folder / "no-such-file"),
        "SSL_CERT_DIR": str(folder),
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        client = subprocess.Popen(
            [sys.executable, "-c", CLIENT.format(before=before), str(server.getsockname()[1]), profile.value],
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = b""
        try:
            if not before:
                connection, _ = server.accept()
                with connection:
                    connection.settimeout(20)
                    hello = connection.recv(65536)
            output, _ = client.communicate(timeout=20)
        finally:
            client.kill()
            client.wait()
    assert not key_log.exists()
    printed: dict[str, object] = json.loads(output)
    return hello, printed


@pytest.mark.parametrize("profile", TlsProfile)
def test_the_client_hello_holds_exactly_the_profile_in_a_hostile_environment(
    tmp_path: Path, profile: TlsProfile
) -> None:
    octets, printed = run_client(tmp_path, profile)
    watch = HandshakeWatch()
    watch.feed(octets)
    assert watch.client_hello is not None
    assert watch.client_hello.suites == profile.tls13_suites + profile.tls12_suites
    # RFC 5746 §3.3: the signalling value names no suite, it says that renegotiation is secure.
    assert watch.client_hello.signalling == ("TLS_EMPTY_RENEGOTIATION_INFO_SCSV",)
    assert watch.client_hello.versions == (("TLSv1.3",) if profile is TlsProfile.TLS13 else ("TLSv1.3", "TLSv1.2"))
    assert printed["kind"] == "tls-handshake"  # the server closed after the ClientHello
    assert set(printed["environment"].values()) == {None}  # type: ignore[attr-defined]


def test_openssl_used_too_early_fails_closed(tmp_path: Path) -> None:
    _, printed = run_client(tmp_path, TlsProfile.GATEWAY, before="import hashlib, ssl")
    assert printed["kind"] == "settings"
    assert "TLS library" in str(printed["reason"])


def test_a_missing_configuration_fails_closed(tmp_path: Path) -> None:
    before = "import pathlib; pathlib.Path.is_file = lambda path: False"
    _, printed = run_client(tmp_path, TlsProfile.GATEWAY, before=before)
    assert printed["kind"] == "settings"
