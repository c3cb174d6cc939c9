"""`softphone lab`: the built-in lab until it is interrupted, with its accounts, authority and services (cli.md)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softphone.cli.options import usage
from softphone.cli.output import Output, Result
from softphone.cli.phone_access import Composition
from softphone.engine.waiting import Inbox, Interrupted
from softphone.lab.calls import LabCall
from softphone.lab.lab import WARNING, Lab
from softphone.lab.services import SERVICES


@dataclass(slots=True)
class LabCommand:
    composition: Composition
    output: Output
    host: str
    port: int
    names: tuple[str, ...]
    digests: tuple[str, ...]
    accounts_file: Path | None

    async def run(self) -> Result:
        inbox: Inbox[LabCall] = Inbox()
        inbox.catch_interrupts()
        accounts = _accounts(self.accounts_file) if self.accounts_file is not None else None
        async with self.composition.lab(
            host=self.host, port=self.port, accounts=accounts, names=self.names, digests=self.digests, on_call=inbox.put
        ) as lab:
            self._ready(lab)
            while not isinstance(call := await inbox.next(), Interrupted):
                if call is not None:
                    self.output.event("call", **_shown(call))
        return Result({"calls": len(lab.calls)})

    def _ready(self, lab: Lab) -> None:
        if self.output.json_lines:
            self.output.event(
                "ready",
                host=lab.host,
                port=lab.port,
                ca=str(lab.ca_file),
                accounts=lab.accounts,
                services=list(SERVICES),
                warning=WARNING,
            )
            return
        say = self.output.say
        say(f"The lab listens on {lab.host} port {lab.port} (SIP over TLS).")
        say(WARNING if _is_loopback(lab.host) else f"!! {WARNING} It listens beyond this machine now.")
        say(f"\nAuthority to trust (--ca): {lab.ca_file}\n\nAccounts:")
        for user, password in lab.accounts.items():
            say(f"  {user:<16}password {password}")
        say("\nServices to call:")
        for service in SERVICES.values():
            say(f"  {service.name:<16}{service.does}")
        user, password = next(iter(lab.accounts.items()))
        server = "127.0.0.1" if lab.host in ("0.0.0.0", "::") else lab.host  # noqa: S104 - compared, not bound
        server = f"[{server}]" if ":" in server else server
        say(
            f"\nFor example:\n  SOFTPHONE_PASSWORD={password} softphone call echo --server {server}:{lab.port}"
            f" --user {user} --ca {lab.ca_file} --seconds 10\n\nCtrl-C ends it."
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _accounts(path: Path) -> dict[str, str]:
    """Lines of `user:password`; empty ones and those that begin with # are passed over. Raises OperationFailed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise usage(f"The accounts file {path} cannot be read: {error}.", "Check its name and permissions.") from error
    accounts: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        user, colon, password = line.partition(":")
        if not (user.strip() and colon and password):
            raise usage(f"Line {number} of the accounts file {path} is not “user:password”.", "Correct the line.")
        accounts[user.strip()] = password
    if not accounts:
        raise usage(f"The accounts file {path} names no account.", "Write lines of “user:password”.")
    return accounts


def _shown(call: LabCall) -> dict[str, Any]:
    report = call.report
    return {
        "service": call.service,
        "remote": call.remote,
        "direction": call.direction,
        "established": call.established,
        "ended": call.ended,
        "status": call.status,
        "encrypted": call.encrypted,
        "srtp_suite": call.srtp_suite,
        "rtp_sent": report.rtp_sent if report else None,
        "rtp_received": report.rtp_received if report else None,
        "plain_rtp_seen": report.plain_rtp_seen if report else None,
        "reason": call.failure.reason if call.failure else None,
    }
