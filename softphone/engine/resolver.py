"""From a server's name to the addresses to try: RFC 3263 for TLS only.

Owns: NAPTR (`SIPS+D2T`) and SRV (`_sips._tcp`) through dnspython, the order of RFC 2782, A/AAAA through the system's
resolver, which knows /etc/hosts too. Must not know TLS: whichever address is found, the certificate is checked against
the name that was asked for, never an SRV target.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from softphone.engine import failures
from softphone.engine.identity import domain_in_ascii, ip_literal
from softphone.errors import OperationFailed
from softphone.ua.account import ServerTarget

DEFAULT_PORT = 5061  # RFC 3261 §19.1.2 for TLS
SERVICE_TIMEOUT_S = 3.0  # NAPTR and SRV together
ADDRESS_TIMEOUT_S = 5.0
MAX_SERVICES = 16  # SRV records followed
MAX_ENDPOINTS = 32
_SERVICE = "_sips._tcp"  # RFC 3263 §4.2


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address to try. `host` is the SRV target or the name asked for; `address` a literal without brackets."""

    host: str
    address: str
    port: int


class ServiceResolver:
    """Resolves server targets; each answer is used once, nothing is kept."""

    def __init__(
        self,
        dns_resolver: dns.asyncresolver.Resolver | None = None,
        token_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._dns = dns_resolver  # None: the system's name servers, read anew each time since networks change
        self._token_bytes = token_bytes

    async def resolve(self, target: ServerTarget) -> list[Endpoint]:
        """The endpoints in the order to try them, at least one. Raises OperationFailed(NAME_NOT_RESOLVED)."""
        literal = ip_literal(target.host)
        if literal is not None:
            address = target.host.removeprefix("[").removesuffix("]")
            return [Endpoint(address, address, target.port or DEFAULT_PORT)]
        domain = domain_in_ascii(target.host)
        if domain is None:
            raise OperationFailed(failures.name_failure(target.host, "it is no valid name"))
        if target.port is not None:
            return await self._addresses(domain, target.port)
        services = await self._services(domain)
        if services is None:
            return await self._addresses(domain, DEFAULT_PORT)
        return await self._all_addresses(domain, services)

    # --- services -------------------------------------------------------------------------------------------------

    async def _services(self, domain: str) -> list[SRV] | None:
        """The SRV records in order; None if there are none or DNS does not answer (then A/AAAA, RFC 3263 §4.2).

        Raises OperationFailed if the domain says that it has no such service (RFC 2782: the target ".").
        """
        if domain == "localhost" or domain.endswith(".localhost"):
            return None  # RFC 6761 §6.3: never asked of DNS
        try:
            resolver = self._dns if self._dns is not None else dns.asyncresolver.Resolver()
            async with asyncio.timeout(SERVICE_TIMEOUT_S):
                pointers, direct = await asyncio.gather(
                    self._query_naptr(resolver, domain), self._query_srv(resolver, f"{_SERVICE}.{domain}.")
                )
                records: list[SRV] = []
                for pointer in pointers:
                    records = await self._query_srv(resolver, pointer)
                    if records:
                        break
        except (TimeoutError, dns.exception.DNSException, OSError):
            return None
        records = records or direct
        if not records:
            return None
        offered = [record for record in records if record.target != dns.name.root]
        if not offered:
            raise OperationFailed(
                failures.name_failure(
                    domain,
                    "its DNS says that it offers no SIP over TLS",
                    "Ask the server's operator for the name and port of the SIP-over-TLS service.",
                )
            )
        return order_services(offered, self._token_bytes)[:MAX_SERVICES]

    @staticmethod
    async def _query_naptr(resolver: dns.asyncresolver.Resolver, domain: str) -> list[str]:
        """The SRV names of the `SIPS+D2T` records in order (RFC 3263 §4.1); other services are no TLS over TCP."""
        answers = await _query(resolver, f"{domain}.", dns.rdatatype.NAPTR)
        pointers = [
            record
            for record in answers
            if isinstance(record, NAPTR) and record.service.upper() == b"SIPS+D2T" and record.flags.upper() == b"S"
        ]
        pointers.sort(key=lambda record: (record.order, record.preference))
        return [record.replacement.to_text() for record in pointers[:MAX_SERVICES]]

    @staticmethod
    async def _query_srv(resolver: dns.asyncresolver.Resolver, name: str) -> list[SRV]:
        answers = await _query(resolver, name, dns.rdatatype.SRV)
        return [record for record in answers if isinstance(record, SRV)]

    # --- addresses ------------------------------------------------------------------------------------------------

    async def _all_addresses(self, domain: str, services: list[SRV]) -> list[Endpoint]:
        """The addresses of every target; a target without address is left out while another has one."""
        found = await asyncio.gather(
            *(self._addresses(record.target.to_text(omit_final_dot=True), record.port) for record in services),
            return_exceptions=True,
        )
        endpoints: list[Endpoint] = []
        for addresses in found:
            if isinstance(addresses, list):
                endpoints += addresses
            elif not isinstance(addresses, OperationFailed):
                raise addresses
        if not endpoints:
            targets = ", ".join(record.target.to_text(omit_final_dot=True) for record in services)
            detail = f"none of the servers that its DNS names has an address ({failures.printable(targets)})"
            raise OperationFailed(failures.name_failure(domain, detail, "Tell the domain's operator."))
        return endpoints[:MAX_ENDPOINTS]

    @staticmethod
    async def _addresses(host: str, port: int) -> list[Endpoint]:
        try:
            async with asyncio.timeout(ADDRESS_TIMEOUT_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise OperationFailed(failures.name_failure(host, failures.resolver_reason(error))) from error
        except TimeoutError as error:
            detail = f"the system's resolver did not answer within {ADDRESS_TIMEOUT_S:.0f} s"
            raise OperationFailed(failures.name_failure(host, detail)) from error
        except (OSError, UnicodeError) as error:
            raise OperationFailed(failures.name_failure(host, failures.printable(str(error)))) from error
        addresses = dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)  # once each, in the system's order
        return [Endpoint(host, address, port) for address in interleaved(addresses)][:MAX_ENDPOINTS]


def interleaved(addresses: Iterable[str]) -> list[str]:
    """The families in turn, beginning with that of the first (RFC 8305 §4): one that leads nowhere costs one wait."""
    families: dict[bool, list[str]] = {}
    for address in addresses:
        families.setdefault(":" in address, []).append(address)
    turns = itertools.zip_longest(*families.values())
    return [address for turn in turns for address in turn if address is not None]


async def _query(resolver: dns.asyncresolver.Resolver, name: str, kind: dns.rdatatype.RdataType) -> list[object]:
    """The records, or none if the name or the type does not exist. Other DNS errors pass."""
    try:
        answer = await resolver.resolve(name, kind, lifetime=SERVICE_TIMEOUT_S, raise_on_no_answer=False)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    return list(answer.rrset or ())


def order_services(records: Iterable[SRV], token_bytes: Callable[[int], bytes]) -> list[SRV]:
    """RFC 2782: by priority; within one, drawn by weight without putting back."""
    by_priority: dict[int, list[SRV]] = {}
    for record in records:
        by_priority.setdefault(record.priority, []).append(record)
    ordered: list[SRV] = []
    for priority in sorted(by_priority):
        waiting = sorted(by_priority[priority], key=lambda record: record.weight)  # those of weight 0 first
        while waiting:
            drawn = int.from_bytes(token_bytes(8), "big") % (sum(record.weight for record in waiting) + 1)
            running = 0
            for record in waiting:
                running += record.weight
                if running >= drawn:
                    ordered.append(record)
                    waiting.remove(record)
                    break
    return ordered
