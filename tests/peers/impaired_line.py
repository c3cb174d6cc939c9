"""A userspace cable for media: delay, jitter and loss between two phones, the same for everyone who has the seed.

Owns: UDP relays that Kamailio puts into the path because this speaks rtpengine's control protocol (ng: a cookie and a
bencoded dictionary; offer, answer, delete, ping). It rewrites addresses and ports in session descriptions and touches
nothing else: keys and payloads go through as they are. Must not know: who signals, what is said.

    line = ImpairedLine(Impairment(jitter=0.03, seed=1))
    kamailio = Kamailio(ca, rtpengine=line.port)
"""

from __future__ import annotations

import contextlib
import heapq
import random
import re
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any

Address = tuple[str, int]
_LARGEST = 4096
QUEUE_S = 0.2


@dataclass(frozen=True, slots=True)
class Impairment:
    """Of each direction. RTCP is delayed but never lost."""

    delay: float = 0.0  # seconds, of every packet
    jitter: float = 0.0  # seconds at most on top, uniform: packets overtake each other
    loss: float = 0.0  # part of the packets
    burst: float = 1.0  # packets lost in a row, on average (two states: good and bad)
    bit_rate: int = 0  # bit/s of datagrams that get through; QUEUE_S of them wait, the rest is lost; 0: all
    seed: int = 1


class _Dice:
    """What happens to each packet of one direction, in order."""

    def __init__(self, impairment: Impairment, direction: int) -> None:
        self._direction = direction
        self.begin(impairment)

    def begin(self, impairment: Impairment) -> None:
        self._impairment = impairment
        self._chance = random.Random(impairment.seed * 2 + self._direction)
        self._losing = False
        self._free_at = 0.0

    def lost(self) -> bool:
        what = self._impairment
        if what.loss <= 0:
            return False
        leave = 1 / what.burst
        enter = leave * what.loss / (1 - what.loss)
        self._losing = self._chance.random() < (1 - leave if self._losing else enter)
        return self._losing

    def wait(self, octets: int, now: float) -> float:
        """Until a datagram of that length is through a narrow line."""
        what = self._impairment
        return max(self._free_at - now, 0.0) + octets * 8 / what.bit_rate if what.bit_rate else 0.0

    def take(self, octets: int, now: float) -> None:
        if self._impairment.bit_rate:
            self._free_at = max(self._free_at, now) + octets * 8 / self._impairment.bit_rate

    def delay(self) -> float:
        return self._impairment.delay + self._chance.random() * self._impairment.jitter


@dataclass
class _Leg:
    """One party: what it was told to send to, and where it is."""

    rtp: socket.socket
    rtcp: socket.socket
    dice: _Dice  # of what it sends
    party: Address | None = None
    party_rtcp: Address | None = None

    @property
    def port(self) -> int:
        return int(self.rtp.getsockname()[1])


@dataclass
class _Call:
    caller_tag: bytes
    caller: _Leg
    callee: _Leg

    def ways(self) -> list[tuple[socket.socket, _Leg, socket.socket, _Leg, bool]]:
        """(where it comes in, from whom, where it goes out, to whom, RTCP)."""
        there, back = (self.caller, self.callee), (self.callee, self.caller)
        return [way for a, b in (there, back) for way in ((a.rtp, a, b.rtp, b, False), (a.rtcp, a, b.rtcp, b, True))]


@dataclass(order=True)
class _Flying:
    when: float
    number: int
    data: bytes = field(compare=False)
    out: socket.socket = field(compare=False)
    to: Address = field(compare=False)


class ImpairedLine:
    """Running from its constructor to `stop`; `port` is the control port for Kamailio."""

    def __init__(self, impairment: Impairment) -> None:
        self.impairment = impairment
        self.passed = self.lost = 0
        self._control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._control.bind(("127.0.0.1", 0))
        self.port: int = self._control.getsockname()[1]
        self._calls: dict[bytes, _Call] = {}
        self._flying: list[_Flying] = []
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="impaired line", daemon=True)
        self._thread.start()

    def begin(self, impairment: Impairment) -> None:
        """From now on, for running and later calls: the first packet after this meets the first throw of the dice."""
        self.impairment = impairment
        for call in list(self._calls.values()):
            call.caller.dice.begin(impairment)
            call.callee.dice.begin(impairment)

    def stop(self) -> None:
        self._ending = True
        self._thread.join(5)
        for call_id in list(self._calls):
            self._end(call_id)
        self._control.close()

    def _run(self) -> None:
        while not self._ending:
            ways = {way[0]: way for call in self._calls.values() for way in call.ways()}
            pause = max(0.0, self._flying[0].when - time.monotonic()) if self._flying else 0.05
            ready, _, _ = select.select([self._control, *ways], [], [], min(pause, 0.05))
            for at in ready:
                if at is self._control:
                    self._command(*at.recvfrom(65536))
                else:
                    self._take(*ways[at])
            now = time.monotonic()
            while self._flying and self._flying[0].when <= now:
                flying = heapq.heappop(self._flying)
                with contextlib.suppress(OSError):  # the call has ended meanwhile, or nobody is there
                    flying.out.sendto(flying.data, flying.to)

    def _take(self, at: socket.socket, sender: _Leg, out: socket.socket, to: _Leg, is_rtcp: bool) -> None:
        with contextlib.suppress(OSError):
            data, source = at.recvfrom(_LARGEST)
            known = to.party_rtcp if is_rtcp else to.party
            if is_rtcp:
                sender.party_rtcp = source
            else:
                sender.party = source
            if known is None:
                return
            waits = sender.dice.wait(len(data), time.monotonic())
            if not is_rtcp and (sender.dice.lost() or waits > QUEUE_S):
                self.lost += 1
                return
            self.passed += 1
            sender.dice.take(len(data), time.monotonic())
            when = time.monotonic() + waits + sender.dice.delay()
            heapq.heappush(self._flying, _Flying(when, self.passed, data, out, known))

    # The control protocol

    def _command(self, message: bytes, source: Address) -> None:
        cookie, _, rest = message.partition(b" ")
        command: dict[bytes, Any] = _decode(rest, 0)[0]
        answer: dict[bytes, bytes] = {b"result": b"ok"}
        match command[b"command"]:
            case b"ping":
                answer = {b"result": b"pong"}
            case b"offer" | b"answer":
                answer[b"sdp"] = self._described(command)
            case b"delete":
                self._end(command[b"call-id"])
        self._control.sendto(cookie + b" " + _encode(answer), source)

    def _described(self, command: dict[bytes, Any]) -> bytes:
        """The description with our ports: who reads it sends to us."""
        call = self._calls.get(command[b"call-id"])
        if call is None:
            call = _Call(command[b"from-tag"], self._leg(0), self._leg(1))
            self._calls[command[b"call-id"]] = call
        by_caller = (command[b"from-tag"] == call.caller_tag) == (command[b"command"] == b"offer")
        writer, reader = (call.caller, call.callee) if by_caller else (call.callee, call.caller)
        sdp: str = command[b"sdp"].decode()
        address, media = re.search(r"^c=IN IP4 (\S+)", sdp, re.M), re.search(r"^m=audio (\d+)", sdp, re.M)
        if address is None or media is None:
            return sdp.encode()
        writer.party = (address[1], int(media[1]))
        writer.party_rtcp = (address[1], int(media[1]) + 1)
        sdp = re.sub(r"^(c=IN IP4) \S+", r"\1 127.0.0.1", sdp, flags=re.M)
        sdp = re.sub(r"^m=audio \d+", f"m=audio {reader.port}", sdp, flags=re.M)
        sdp = re.sub(r"^a=rtcp:.*\r\n", f"a=rtcp:{reader.port + 1}\r\n", sdp, flags=re.M)
        return sdp.encode()

    def _leg(self, direction: int) -> _Leg:
        for _ in range(100):
            rtp, rtcp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
            rtp.bind(("127.0.0.1", 0))
            try:
                rtcp.bind(("127.0.0.1", rtp.getsockname()[1] + 1))
            except OSError:
                rtp.close()
                rtcp.close()
                continue
            return _Leg(rtp, rtcp, _Dice(self.impairment, direction))
        raise OSError("no two free ports beside each other")

    def _end(self, call_id: bytes) -> None:
        call = self._calls.pop(call_id, None)
        if call is not None:
            for leg in (call.caller, call.callee):
                leg.rtp.close()
                leg.rtcp.close()


def _decode(data: bytes, at: int) -> tuple[Any, int]:
    """A bencoded value and where the next one begins."""
    kind = data[at : at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1 : end]), end + 1
    if kind in (b"l", b"d"):
        items = []
        at += 1
        while data[at : at + 1] != b"e":
            item, at = _decode(data, at)
            items.append(item)
        if kind == b"l":
            return items, at + 1
        return dict(zip(items[::2], items[1::2], strict=True)), at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1 : end], end


def _encode(words: dict[bytes, bytes]) -> bytes:
    pairs = b"".join(b"%d:%s%d:%s" % (len(key), key, len(value), value) for key, value in sorted(words.items()))
    return b"d" + pairs + b"e"
