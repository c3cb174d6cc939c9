"""Ours beside baresip in the same run: start to registered, dial to established, CPU, memory, mouth to ear.

Run by `make bench`; prints medians and ratios, writes `build/bench.json`. Nothing here is a bound: the voice work sets
them. Machine times are of the machine; the ratios are what can be compared.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.bench.mouth_to_ear import mouth_to_ear_ms
from tests.bench.phones import (
    BaresipPhone,
    BenchPhone,
    OurPhone,
    cpu_seconds,
    dialled_to_established,
    registered_after,
    resident_mib,
)
from tests.peers.certificates import PrivateCa
from tests.peers.kamailio import Kamailio
from tests.peers.pulse import PulseRig, settle

ROUNDS = 5
CPU_SECONDS = 20.0
Figures = dict[str, list[float]]


def test_ours_beside_baresip(ca: PrivateCa) -> None:
    results: dict[str, Figures] = {"ours": {}, "baresip": {}}
    with PulseRig() as rig:
        kamailio = Kamailio(ca)
        try:
            for _ in range(ROUNDS):
                _measure_start(rig, kamailio, results)
            for round_ in range(ROUNDS):
                with_cpu = round_ == 0
                _measure_calls(rig, kamailio, results["ours"], _our_pair, with_cpu)
                _measure_calls(rig, kamailio, results["baresip"], _baresip_pair, with_cpu)
        finally:
            kamailio.stop()
    _report(results)
    for name, figures in results.items():
        assert figures["mouth to ear, ms"], f"{name} brought no sound through"


def _note(figures: Figures, name: str, *values: float) -> None:
    figures.setdefault(name, []).extend(values)


def _measure_start(rig: PulseRig, kamailio: Kamailio, results: dict[str, Figures]) -> None:
    for name, make in (
        ("ours", lambda: OurPhone(rig, kamailio, "alice", "a")),
        ("baresip", lambda: BaresipPhone(rig, kamailio, "alice", "a")),
    ):
        phone: BenchPhone = make()
        try:
            _note(results[name], "start to registered, s", registered_after(kamailio, "alice", phone.began))
        finally:
            phone.stop()
        kamailio.wait_registered("alice", 0)


Pair = tuple[BenchPhone, BenchPhone, Callable[[], None]]


def _our_pair(rig: PulseRig, kamailio: Kamailio) -> Pair:
    callee = OurPhone(rig, kamailio, "bob", "b")
    kamailio.wait_registered("bob")
    caller = OurPhone(rig, kamailio, "alice", "a", dial="bob")
    return caller, callee, lambda: caller.wait_event("secured")


def _baresip_pair(rig: PulseRig, kamailio: Kamailio) -> Pair:
    callee, caller = BaresipPhone(rig, kamailio, "bob", "b"), BaresipPhone(rig, kamailio, "alice", "a")
    caller.phone.dial("sip:bob@sip.test")

    def established() -> None:
        caller.phone.wait_for("CALL_ESTABLISHED", timeout=10)

    return caller, callee, established


def _measure_calls(
    rig: PulseRig,
    kamailio: Kamailio,
    figures: Figures,
    make: Callable[[PulseRig, Kamailio], Pair],
    with_cpu: bool,
) -> None:
    since = time.time()
    caller, callee, established = make(rig, kamailio)
    try:
        established()
        settle(1.5)
        _note(figures, "dial to established, ms", dialled_to_established(kamailio, since) * 1000)
        _note(figures, "mouth to ear, ms", *mouth_to_ear_ms(rig))
        if with_cpu:
            before, began = (cpu_seconds(caller.pid), cpu_seconds(callee.pid)), time.monotonic()
            settle(CPU_SECONDS)
            minutes = (time.monotonic() - began) / 60
            for phone, start in ((caller, before[0]), (callee, before[1])):
                _note(figures, "CPU per call minute, s", (cpu_seconds(phone.pid) - start) / minutes)
                _note(figures, "resident memory, MiB", resident_mib(phone.pid))
    finally:
        caller.stop()
        callee.stop()
    kamailio.wait_registered("alice", 0)
    kamailio.wait_registered("bob", 0)


def _report(results: dict[str, Figures]) -> None:
    print(f"\n{'median':34}{'ours':>10}{'baresip':>10}{'ratio':>8}   n")
    for name, ours in results["ours"].items():
        theirs = results["baresip"].get(name, [])
        if not ours or not theirs:
            continue
        a, b = statistics.median(ours), statistics.median(theirs)
        print(f"{name:34}{a:10.2f}{b:10.2f}{a / b:8.2f}   {len(ours)}/{len(theirs)}")
    out = Path("build/bench.json")
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1))


pytestmark = pytest.mark.peer
