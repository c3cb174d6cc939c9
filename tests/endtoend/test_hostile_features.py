"""A running phone in a call, and a server that floods it with everything that a call may bring: the call goes on, the
phone stays registered, its memory stays flat. Then the same server closes the flow in the middle of each exchange.
"""

from __future__ import annotations

import asyncio
import base64
import random
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from softphone.engine.throwaway_ca import ThrowawayAuthority
from tests.endtoend.hostile_messages import SDP, TYPE, mutated
from tests.endtoend.phone import PhoneProcess
from tests.endtoend.scripted_registrar import ScriptedRegistrar
from tests.endtoend.test_hostile_server import ANSWERS, MEBIBYTE, came_back, registered

pytestmark = pytest.mark.timeout(180)
StartPhone = Callable[..., PhoneProcess]
XML = "Content-Type: application/dialog-info+xml"
ROOT = b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:a@b">'
LAUGHS = (
    b'<!DOCTYPE d [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(8))
    + b"]>"
)
DOCUMENTS = (
    ROOT + b"<dialog id='1'>" * 900,
    ROOT + b"<a>" * 9000,
    ROOT + b"<dialog id='1'><state>early</state></dialog>" * 1400 + b"</dialog-info>",
    b"<?xml version='1.0'?>" + LAUGHS + ROOT + b"&i;</dialog-info>",
    b"<" * 60_000,
    ROOT + b"x" * 60_000 + b"</dialog-info>",
)


def keys(chance: random.Random, lines: int, each: int = 1) -> bytes:
    """An offer with as many crypto lines, of as many keys with MKIs each."""
    text = SDP.partition(b"a=crypto")[0]
    for tag in range(1, lines + 1):
        inline = ";".join(
            f"inline:{base64.b64encode(chance.randbytes(30)).decode()}" + (f"|2^31|{n + 1}:4" if each > 1 else "")
            for n in range(each)
        )
        text += f"a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 {inline}\r\n".encode()
    return text


class InCall:
    """A call that the phone has answered; what else the server may say within it and beside it."""

    def __init__(self, registrar: ScriptedRegistrar, name: str) -> None:
        self.registrar, self.name = registrar, name
        self.chance = random.Random(3261)
        self.tag = ""
        self.number = 1

    async def answered(self) -> InCall:
        self.registrar.send(self.registrar.request("INVITE", self.name, TYPE, body=SDP))

        def accepted() -> str:
            answers = self.registrar.responses.get(self.name, [])
            tags = [re.search(r";tag=([^;\s]+)", m.headers("To")[0]) for m in answers if m.status == 200]
            return tags[-1][1] if tags and tags[-1] is not None else ""

        await self.registrar.until(accepted, "the call to be answered", 20)
        self.tag = accepted()
        self.registrar.send(self.registrar.request("ACK", self.name, tag=self.tag))
        return self

    def within(self, method: str, *lines: str, body: bytes = b"") -> bytes:
        self.number += 1
        return self.registrar.request(method, self.name, *lines, body=body, cseq=self.number, tag=self.tag)

    def every_kind(self, at: int) -> list[bytes]:
        """What is well-formed, at the wrong time or too often."""
        registrar, new = self.registrar, f"new{at}"
        replaces = f"Replaces: {self.name};to-tag={self.tag};from-tag=nobody"
        sipfrag = ("Event: refer", "Subscription-State: active", "Content-Type: message/sipfrag")
        return [
            self.within("UPDATE", "Supported: timer", "Session-Expires: 90;refresher=uac"),
            self.within("UPDATE", TYPE, body=keys(self.chance, 1)),
            self.within("UPDATE", TYPE, body=keys(self.chance, 400)),
            self.within("UPDATE", TYPE, body=keys(self.chance, 40, 40)),
            self.within("UPDATE", TYPE, body=SDP.replace(b"RTP/SAVP", b"RTP/AVP").partition(b"a=crypto")[0]),
            self.within("INFO", "Content-Type: application/dtmf-relay", body=b"Signal=5\r\nDuration=160\r\n"),
            self.within("INFO", "Content-Type: application/dtmf-relay", body=b"Signal=" * 9000),
            self.within("PRACK", f"RAck: {at} 1 INVITE"),
            self.within("NOTIFY", *sipfrag, body=b"SIP/2.0 180 Ringing"),
            self.within("REFER", "Refer-To: <sip:victim@example.com;transport=udp>"),
            self.within("MESSAGE", "Content-Type: text/plain", body=b"\xe2\x80\xae" * 5000),
            self.within("OPTIONS"),
            registrar.request("MESSAGE", new, "Content-Type: text/plain", body=b"x" * 16_384),
            registrar.request("REFER", new, "Refer-To: <sip:victim@example.com>"),
            registrar.request(
                "NOTIFY", new, "Event: dialog", "Subscription-State: active", XML, body=DOCUMENTS[at % 6]
            ),
            registrar.request("NOTIFY", new, "Event: message-summary", "Subscription-State: active"),
            registrar.request("INVITE", new, TYPE, replaces, body=SDP),
            registrar.request("INVITE", f"keys{at}", TYPE, body=keys(self.chance, 400)),
        ]


def test_floods_of_every_method_leave_the_call_running_and_the_memory_flat(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path
) -> None:
    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, "answer") as (registrar, phone):
            call = await InCall(registrar, "flooded").answered()
            sizes: list[float] = []
            sent, began, before = 0, time.monotonic(), phone.processor_seconds()
            for batch in range(12):
                for at in range(10):
                    for message in call.every_kind(10 * batch + at):
                        registrar.send(mutated(call.chance, message) if call.chance.random() < 0.3 else message)
                        sent += 1
                assert (await registrar.settled(30)).status in ANSWERS
                registrar.responses.clear()
                sizes.append(phone.resident_octets() / MEBIBYTE)
            seconds, busy = time.monotonic() - began, phone.processor_seconds() - before
            print(
                f"{sent} messages in {seconds:.1f} s, processor {busy:.1f} s, {registrar.flows} flows,"
                f" MiB after each {sent // 12}: {[round(size, 1) for size in sizes]}"
            )
            assert sizes[-1] - sizes[3] < 3
            assert registrar.flows == 1, "a message that is whole must not cost the flow"
            registrar.send(call.within("BYE"))
            await registrar.until(lambda: registrar.responses.get("flooded"), "the answer to BYE")
            assert registrar.responses["flooded"][-1].status == 200

    asyncio.run(play())


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "REFER", "INFO", "MESSAGE", "BYE"])
def test_a_flow_that_closes_in_the_middle_costs_the_flow_alone(
    start_phone: StartPhone, authority: ThrowawayAuthority, tmp_path: Path, method: str
) -> None:
    """The call is there on the next flow, or its end is said there."""
    extra = {"REFER": ("Refer-To: <sip:carol@sip.test>",), "INVITE": (TYPE,), "UPDATE": (TYPE,)}

    async def play() -> None:
        async with registered(authority, tmp_path, start_phone, "answer") as (registrar, phone):
            call = await InCall(registrar, "cut").answered()
            registrar.refused = frozenset({"INVITE"})  # the phone moves its calls to the next flow: not here
            body = SDP if method in ("INVITE", "UPDATE") else b""

            def cut() -> None:
                registrar.send(call.within(method, *extra.get(method, ()), body=body))
                registrar.cut()

            seconds = await came_back(registrar, cut)
            assert phone.running
            registrar.responses.pop("cut", None)
            registrar.send(call.within("OPTIONS"))
            await registrar.until(lambda: registrar.responses.get("cut"), "an answer within the call")
            statuses = [message.status for message in registrar.responses["cut"]]
            print(f"{method}: registered again after {seconds:.1f} s, {statuses} to OPTIONS in the call")
            assert statuses[-1] in ((200, 481) if method == "BYE" else (200,))
            registrar.send(call.within("BYE"))
            assert (await registrar.settled()).status in ANSWERS

    asyncio.run(play())
