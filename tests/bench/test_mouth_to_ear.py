"""Mouth to ear: ours, baresip and linphone, each calling its own kind over SRTP, PCMU and Opus, good line and jitter.

Run by `make bench`, or alone; prints medians and ratios, writes `build/mouth_to_ear.json`. The phones take turns, so
that a machine that grows busy is busy for all. MOUTH_ROUNDS is how often.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.mouth_to_ear import mouth_to_ear_ms
from tests.bench.phones import BaresipPhone, BenchPhone, LinphonePhone, OurPhone
from tests.peers.certificates import PrivateCa
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.process import require
from tests.peers.pulse import PulseRig, settle

ROUNDS = int(os.environ.get("MOUTH_ROUNDS", "3"))
CHIRPS = 8  # of each round
MOST_OF_BETTER = 0.6
"""Ours at most so much of the better peer's delay where the line is good."""
LINES = {"no loss": None, "jitter 30 ms": Impairment(jitter=0.03, seed=5)}
CODECS = ("PCMU", "opus")
Results = dict[tuple[str, str], dict[str, list[float]]]


def _our_pair(rig: PulseRig, kamailio: Kamailio, codec: str, running: list[BenchPhone]) -> None:
    running.append(OurPhone(rig, kamailio, "bob", "b", codec=codec))
    kamailio.wait_registered("bob", timeout=30)
    caller = OurPhone(rig, kamailio, "alice", "a", "bob", codec=codec)
    running.append(caller)
    caller.wait_event("secured", 30)


def _baresip_pair(rig: PulseRig, kamailio: Kamailio, codec: str, running: list[BenchPhone]) -> None:
    running.append(BaresipPhone(rig, kamailio, "bob", "b", codec=codec))
    caller = BaresipPhone(rig, kamailio, "alice", "a", codec=codec)
    running.append(caller)
    caller.phone.dial("sip:bob@sip.test")
    caller.phone.wait_for("CALL_ESTABLISHED", timeout=30)


def _linphone_pair(rig: PulseRig, kamailio: Kamailio, codec: str, running: list[BenchPhone]) -> None:
    running.append(LinphonePhone(rig, kamailio, "bob", "b", codec=codec, answers=True))
    caller = LinphonePhone(rig, kamailio, "alice", "a", codec=codec)
    running.append(caller)
    caller.phone.dial("sip:bob@sip.test")
    caller.phone.wait_for_state("StreamsRunning", timeout=30)


PAIRS: dict[str, Callable[[PulseRig, Kamailio, str, list[BenchPhone]], None]] = {
    "ours": _our_pair,
    "baresip": _baresip_pair,
    "linphone": _linphone_pair,
}


def test_mouth_to_ear_beside_baresip_and_linphone(ca: PrivateCa) -> None:
    require("baresip", "linphone-daemon")
    results: Results = {}
    with PulseRig() as rig:
        for line in LINES:
            _measure(rig, ca, line, results)
    _report(results)
    for (codec, line), by_phone in results.items():
        ours, *others = (statistics.median(by_phone[phone]) for phone in PAIRS)
        most = MOST_OF_BETTER * min(others) if LINES[line] is None else min(others)
        assert ours <= most, f"{codec}, {line}: {ours:.0f} ms, at most {most:.0f} are wanted"


def _measure(rig: PulseRig, ca: PrivateCa, line: str, results: Results) -> None:
    impairment = LINES[line]
    cable = None if impairment is None else ImpairedLine(impairment)
    kamailio = Kamailio(ca, rtpengine=None if cable is None else cable.port)
    try:
        for round_ in range(ROUNDS):
            for codec in CODECS:
                for phone, pair in PAIRS.items():
                    delays = _delays(rig, kamailio, codec, pair)
                    results.setdefault((codec, line), {}).setdefault(phone, []).extend(delays)
                    found = f"{statistics.median(delays):.0f} ms" if delays else "nothing heard"
                    print(f"{line}, round {round_ + 1}: {phone} {codec} {found} ({len(delays)} chirps)", flush=True)
    finally:
        kamailio.stop()
        if cable is not None:
            cable.stop()


def _delays(
    rig: PulseRig, kamailio: Kamailio, codec: str, pair: Callable[[PulseRig, Kamailio, str, list[BenchPhone]], None]
) -> list[float]:
    running: list[BenchPhone] = []
    try:
        pair(rig, kamailio, codec, running)
        settle(2)
        return mouth_to_ear_ms(rig, CHIRPS)
    finally:
        for phone in reversed(running):
            phone.stop()
        for user in ("alice", "bob"):
            kamailio.wait_registered(user, 0, timeout=30)


def _report(results: Results) -> None:
    """As the table in docs/performance.md."""
    print("\n| median, ms | ours | baresip | linphone | of the better | n |\n|---|---|---|---|---|---|")
    for (codec, line), by_phone in results.items():
        ours, *others = (statistics.median(by_phone[phone]) for phone in PAIRS)
        print(
            f"| {codec.upper()}, {line} | {ours:.0f} | {' | '.join(f'{other:.0f}' for other in others)} |"
            f" {ours / min(others):.2f} | {' / '.join(str(len(by_phone[phone])) for phone in PAIRS)} |"
        )
    out = Path("build/mouth_to_ear.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps({", ".join(cell): by_phone for cell, by_phone in results.items()}, indent=1))


pytestmark = pytest.mark.peer
