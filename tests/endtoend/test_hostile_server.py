"""A running phone and a server that went mad: it stays registered, its memory stays flat, its log stays empty."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from softphone.engine.throwaway_ca import ThrowawayAuthority
from tests.endtoend.accounts import signed_in
from tests.endtoend.hostile_messages import SDP, TYPE, VECTORS, frame_breakers, framed, mutated
from tests.endtoend.phone import PhoneProcess
from tests.endtoend.scripted_registrar import ScriptedRegistrar

pytestmark = pytest.mark.timeout(120)
StartPhone = Callable[..., PhoneProcess]
MEBIBYTE = 1 << 20
ANSWERS = (200, 486)
"""To OPTIONS: what an INVITE would get (RFC 3261 §11.2), 486 while calls are ringing."""
COMMANDS = {"register": ("register", "--stay"), "answer": ("answer", "--audio", "null")}


@asynccontextmanager
async def registered(
    authority: ThrowawayAuthority, folder: Path, start_phone: StartPhone, command: str
) -> AsyncIterator[tuple[ScriptedRegistrar, PhoneProcess]]:
    """A phone that is registered; at the end it is interrupted and must end as if nothing had happened."""
    registrar = ScriptedRegistrar()
    await registrar.start(authority, folder)
    try:
        account = signed_in(registrar.port, authority.write(folder))
        phone = start_phone(*COMMANDS[command], *account, password="alicepw")
        await registrar.until(lambda: registrar.registrations == 1, "the registration", 20)
        assert (await registrar.options()).status == 200
        yield registrar, phone
        assert (await registrar.settled()).status in ANSWERS
        assert phone.errors() == ""
        phone.interrupt()
        finished = await asyncio.to_thread(phone.finish, 10)
        assert finished.stderr == ""
    finally:
        await registrar.close()


async def came_back(registrar: ScriptedRegistrar, act: Callable[[], None]) -> float:
    """Seconds from what ended the flow to the next registration."""
    registrations, began = registrar.registrations, time.monotonic()
    act()
    await registrar.until(lambda: registrar.registrations > registrations, "a new registration")
    return time.monotonic() - began


def seeds(registrar: ScriptedRegistrar, number: int) -> list[bytes]:
    """Well-formed messages of every kind, and the torture messages of RFC 4475."""
    name = f"seed{number}"
    responses = [
        b"SIP/2.0 %d Whatever\r\n" % status + registrar.request("INVITE", name, TYPE, body=SDP).partition(b"\r\n")[2]
        for status in (100, 183, 200, 302, 401, 407, 422, 494, 503)
    ]
    challenge = 'WWW-Authenticate: Digest realm="x", nonce="y", qop="auth", algorithm=SHA-256'
    return [
        *(registrar.request("INVITE", name, TYPE, body=SDP) for _ in range(8)),
        *(registrar.request(method, name, tag="nobody") for method in ("BYE", "ACK", "CANCEL", "UPDATE", "PRACK")),
        *(registrar.request(method, name) for method in ("OPTIONS", "MESSAGE", "SUBSCRIBE", "REGISTER", "DANCE")),
        registrar.request("NOTIFY", name, "Event: refer", "Content-Type: message/sipfrag", body=b"SIP/2.0 200 OK"),
        registrar.request("REFER", name, "Refer-To: <sip:victim@example.com>"),
        *responses,
        b"SIP/2.0 401 No\r\n" + registrar.request("REGISTER", name, challenge).partition(b"\r\n")[2],
        *(framed(path.read_bytes()) for path in VECTORS),
    ]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_thousand_mutated_messages_leave_the_phone_registered_and_its_memory_flat(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path, command: str
) -> None:
    chance = random.Random(4475)

    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, command) as (registrar, phone):
            sizes: list[float] = []
            sent = 0
            began, before = time.monotonic(), phone.processor_seconds()
            for batch in range(12):
                for number in range(125):
                    registrar.send(mutated(chance, chance.choice(seeds(registrar, batch * 1000 + number))))
                    sent += 1
                assert (await registrar.settled()).status in ANSWERS
                registrar.responses.clear()
                sizes.append(phone.resident_octets() / MEBIBYTE)
            seconds, busy = time.monotonic() - began, phone.processor_seconds() - before
            print(
                f"{command}: {sent} messages in {seconds:.1f} s, processor {busy:.1f} s, {registrar.flows} flows,"
                f" MiB after each 125: {[round(size, 1) for size in sizes]}"
            )
            # The first third fills caches, and the fifty ended calls that a phone remembers.
            assert sizes[-1] - sizes[3] < 2
            assert registrar.flows == 1, "a message that is whole must not cost the flow"

    asyncio.run(play())


def test_a_stream_without_frame_is_closed_and_the_phone_comes_back_by_itself(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    """Two phones share the cases, since each waits longer from one lost flow to the next (RFC 5626 §4.5)."""
    breakers = list(frame_breakers(random.Random(1)).items())

    async def suffer(number: int) -> None:
        folder = tmp_path / str(number)
        async with registered(authority, folder, start_phone, "register") as (registrar, phone):
            before = phone.resident_octets()
            for name, octets in breakers[number::2]:
                flows = registrar.flows
                seconds = await came_back(registrar, lambda octets=octets: registrar.send(octets))  # type: ignore[misc]
                print(f"{name}: registered again after {seconds:.1f} s")
                assert registrar.flows == flows + 1
            half = registrar.request("INVITE", "half", TYPE, body=SDP)
            registrar.send(half[: (1, len(half) - 5)[number]])
            await came_back(registrar, registrar.cut)
            assert (await registrar.options()).status == 200
            assert phone.resident_octets() - before < 4 * MEBIBYTE

    async def play() -> None:
        await asyncio.gather(suffer(0), suffer(1))

    asyncio.run(play())


def test_floods_are_answered_or_refused_and_the_phone_goes_on(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, "register") as (registrar, phone):
            began = time.monotonic()
            registrar.send(b"".join(registrar.request("OPTIONS", f"flood{number}") for number in range(2000)))
            await registrar.until(lambda: len(registrar.responses) == 2000, "2000 answers", 20)
            statuses = {message.status for answers in registrar.responses.values() for message in answers}
            print(f"2000 OPTIONS in {time.monotonic() - began:.1f} s: {statuses}")
            assert statuses <= {200, 503}
            registrar.responses.clear()

            before = phone.resident_octets()
            for number in range(300):
                registrar.send(registrar.request("INVITE", f"call{number}", TYPE, body=SDP))

            def refusals() -> list[int | None]:
                every = (message for answers in registrar.responses.values() for message in answers)
                return [message.status for message in every if (message.status or 0) >= 300]

            await registrar.until(lambda: len(refusals()) >= 250, "most calls to be refused")
            print(f"300 INVITEs: {len(refusals())} refused with {set(refusals())}")
            assert set(refusals()) <= {486, 503}
            for number in range(300):
                registrar.send(registrar.request("CANCEL", f"call{number}").replace(b".CANCEL", b".INVITE"))
            assert (await registrar.settled()).status in ANSWERS
            assert phone.resident_octets() - before < 8 * MEBIBYTE

    asyncio.run(play())


def test_a_byte_at_a_time_is_understood_and_costs_next_to_nothing(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, "register") as (registrar, phone):
            before = phone.processor_seconds()
            octets = registrar.request("OPTIONS", "slow", *(f"X-{at}: {'y' * 100}" for at in range(40)))
            for at, octet in enumerate(octets):
                registrar.send(bytes([octet]))
                if at % 20 == 0:
                    await asyncio.sleep(0.001)
            await registrar.until(lambda: registrar.responses.get("slow"), "an answer")
            busy = phone.processor_seconds() - before
            print(f"{len(octets)} octets one by one: processor {busy:.2f} s")
            assert registrar.responses["slow"][0].status == 200
            assert busy < 2

    asyncio.run(play())


def test_a_server_that_stops_reading_is_left(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, "register") as (registrar, phone):
            assert registrar.flow is not None
            transport = registrar.flow._transport
            assert transport is not None
            transport.pause_reading()
            before = phone.resident_octets()
            # Via is copied into the response: each answer is longer than 12 kB.
            wide = [f"Via: SIP/2.0/TLS 10.0.0.{at};branch=z9hG4bK{'w' * 250}" for at in range(50)]
            began = time.monotonic()
            sent = 0
            while registrar.flows == 1 and time.monotonic() < began + 30:
                if transport.get_write_buffer_size() < 65536:
                    registrar.send(registrar.request("OPTIONS", f"deaf{sent}", *wide))
                    sent += 1
                await asyncio.sleep(0 if sent % 10 else 0.01)
            await registrar.until(lambda: registrar.registrations == 2, "a new registration")
            grown = (phone.resident_octets() - before) / MEBIBYTE
            print(f"left after {time.monotonic() - began:.1f} s and {sent} unread answers, {grown:.1f} MiB more")
            assert grown < 16
            transport.abort()

    asyncio.run(play())
