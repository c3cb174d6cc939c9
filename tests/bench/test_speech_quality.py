"""PESQ and STOI of speech through bad lines: ours beside baresip and linphone, each calling its own kind.

Run by `make bench`, or alone; prints a table and writes `build/speech_quality.json`. Several calls run at once, each
with its own server, line and speaker. On a line that is not perfect each phone makes a call for each of three seeds:
which sounds a burst falls on is worth more than what separates the phones. SPEECH_CELLS chooses ("opus",
"PCMU,random 10 %"), SPEECH_SEEDS is how many seeds, SPEECH_LANES how many calls run at once, SPEECH_KEEP a directory
for what was heard.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np
import pytest

from tests.bench.speech_calls import CODEC_RATES, Lane, SpeechCall
from tests.bench.speech_scores import Score, said_file, scores
from tests.peers.certificates import PrivateCa
from tests.peers.impaired_line import Impairment
from tests.peers.process import require, short_directory
from tests.peers.pulse import RATE, PulseRig
from tests.peers.speech import Speech

SEEDS = int(os.environ.get("SPEECH_SEEDS", "3"))
LANES = int(os.environ.get("SPEECH_LANES", "5"))
PHONES = ("ours", "baresip", "linphone")
LINES = {
    "no loss": Impairment(),
    "random 3 %": Impairment(loss=0.03, seed=11),
    "random 10 %": Impairment(loss=0.10, seed=12),
    "random 20 %": Impairment(loss=0.20, seed=13),
    "bursts 10 %": Impairment(loss=0.10, burst=3, seed=14),
    "jitter 30 ms": Impairment(jitter=0.03, seed=15),
}
TRIES = 3  # of a call: a peer that crashes is given another one
NOISE = 0.1
"""PESQ by which two runs of one cell differ: a peer that is no more above ours is not above."""

Cell = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Bench:
    rig: PulseRig
    ca: PrivateCa
    speakers: SimpleQueue[str]
    said: dict[int, Path]


_here: list[tuple[Lane, dict[int, Path]]] = []
"""In each worker process: its lane, and the files to be said by their rates."""


def _enter_lane(bench: _Bench) -> None:
    """In each worker process, once."""
    _here.append((Lane(bench.rig, bench.ca, bench.speakers.get()), bench.said))


def _in_the_background() -> None:
    """Scores are no matter of time, even where the bench was given real-time priority (`chrt --rr 1`)."""
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(10)


def _call(phone: str, codec: str, line: str, seed: int, heard: Path) -> None:
    """In a worker: one call, whose sound goes to the file `heard`; raises only if all tries did."""
    (lane, said), *_ = _here
    impairment = replace(LINES[line], seed=LINES[line].seed + 100 * seed)
    call = SpeechCall(phone, codec, impairment, said[CODEC_RATES[codec]])
    for _ in range(TRIES - 1):
        try:
            return np.save(heard, lane.heard(call))
        except (AssertionError, RuntimeError, OSError) as error:
            print(f"{phone} {codec} {line}: once more, {str(error)[:200]}", flush=True)
    return np.save(heard, lane.heard(call))


def _scores(speech: Speech, heard: Path, wide: bool) -> list[Score]:
    return scores(speech, np.load(heard), wide)


def cells() -> list[Cell]:
    """(codec, line): all of three codecs, and one of PCMA, which differs from PCMU by its table only."""
    wanted = os.environ.get("SPEECH_CELLS", "")
    every = [(codec, line) for codec in ("PCMU", "G722", "opus") for line in LINES] + [("PCMA", "random 10 %")]
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    codecs, lines = [word for word in words if word in CODEC_RATES], [word for word in words if word in LINES]
    return [cell for cell in every if (not codecs or cell[0] in codecs) and (not lines or cell[1] in lines)]


def test_speech_under_loss_beside_baresip_and_linphone(ca: PrivateCa, speech: Speech) -> None:
    require("baresip", "linphone-daemon", "espeak-ng", "sox")
    results: dict[Cell, dict[str, list[Score]]] = {cell: {} for cell in cells()}
    began = time.monotonic()
    print(f"\n{sum(map(_seeds, results)) * len(PHONES)} calls, {LANES} at once")
    for done, (phone, cell, heard) in enumerate(_calls(ca, speech, list(results)), 1):
        results[cell].setdefault(phone, []).extend(heard)
        middle = _median(heard)
        print(
            f"{done:3} {time.monotonic() - began:5.0f} s  {phone:9}{cell[0]:5} {cell[1]:13}"
            f" PESQ {middle.pesq:.2f} STOI {middle.stoi:.3f}  {[round(score.pesq, 2) for score in heard]}",
            flush=True,
        )
    dumb = [f"{' '.join(cell)}: {phone}" for cell in results for phone in PHONES if phone not in results[cell]]
    assert not dumb, f"no call came about: {dumb}"
    _report(results)
    below = [
        f"{codec} {line}: ours {_median(cell['ours']).pesq:.2f}, {peer} {_median(cell[peer]).pesq:.2f}"
        for (codec, line), cell in results.items()
        for peer in PHONES[1:]
        if _median(cell["ours"]).pesq < _median(cell[peer]).pesq - NOISE
    ]
    assert not below, "\n".join(below)


def _calls(ca: PrivateCa, speech: Speech, wanted: list[Cell]) -> Iterator[tuple[str, Cell, list[Score]]]:
    """Each call's scores as they come; they are made in a process of their own, with less priority than the sound."""
    directory = Path(os.environ.get("SPEECH_KEEP", "")) if "SPEECH_KEEP" in os.environ else short_directory("said")
    said = {rate: said_file(speech, directory, rate) for rate in sorted(set(CODEC_RATES.values()))}
    assert ca.server.certificate.exists()  # made here, before the lanes all want it
    fork, spawn = multiprocessing.get_context("fork"), multiprocessing.get_context("spawn")
    with PulseRig() as rig:
        speakers: SimpleQueue[str] = fork.SimpleQueue()
        for number in range(LANES):
            name = f"ear{number}"
            rig.control(
                *("load-module", "module-null-sink", f"sink_name={name}", f"rate={RATE}", "channels=1", "norewinds=1"),
                f"sink_properties=device.description={name.capitalize()}",
            )
            speakers.put(name)
        # The lanes are forked while this process has but one thread.
        with (
            ProcessPoolExecutor(LANES, fork, _enter_lane, (_Bench(rig, ca, speakers, said),)) as lanes,
            ProcessPoolExecutor(1, spawn, _in_the_background) as scorer,
        ):
            running: dict[Future[None], tuple[str, Cell, Path]] = {}
            for cell in wanted:
                for phone, seed in itertools.product(PHONES, range(_seeds(cell))):
                    heard = directory / f"{phone}-{'-'.join(cell)}-{seed}.npy".replace(" ", "_")
                    running[lanes.submit(_call, phone, *cell, seed, heard)] = phone, cell, heard
            scoring: dict[Future[list[Score]], tuple[str, Cell]] = {}
            for future in as_completed(running):
                phone, cell, heard = running[future]
                if error := future.exception():
                    print(f"{phone} {' '.join(cell)}: no call, {error}", flush=True)
                    continue
                scoring[scorer.submit(_scores, speech, heard, CODEC_RATES[cell[0]] > 8000)] = phone, cell
                for ready in [scored for scored in scoring if scored.done()]:
                    yield *scoring.pop(ready), ready.result()
            for ready in as_completed(scoring):
                yield *scoring[ready], ready.result()


def _seeds(cell: Cell) -> int:
    return SEEDS if LINES[cell[1]] != Impairment() else 1


def _median(heard: list[Score]) -> Score:
    return Score(statistics.median(s.pesq for s in heard), statistics.median(s.stoi for s in heard))


def _report(results: dict[Cell, dict[str, list[Score]]]) -> None:
    """As the table in docs/performance.md."""
    print("\n| codec, line | PESQ: ours | baresip | linphone | above the better | STOI: ours | baresip | linphone |")
    print("|---|---|---|---|---|---|---|---|")
    for (codec, line), by_phone in results.items():
        middle = [_median(by_phone[phone]) for phone in PHONES]
        above = middle[0].pesq - max(other.pesq for other in middle[1:])
        print(
            f"| {codec.upper()}, {line} | {' | '.join(f'{score.pesq:.2f}' for score in middle)} | {above:+.2f} | "
            + f"{' | '.join(f'{score.stoi:.2f}' for score in middle)} |"
        )
    out = Path("build/speech_quality.json")
    out.parent.mkdir(exist_ok=True)
    raw = {
        f"{codec}, {line}": {phone: [[s.pesq, s.stoi] for s in heard] for phone, heard in by_phone.items()}
        for (codec, line), by_phone in results.items()
    }
    out.write_text(json.dumps(raw, indent=1))


pytestmark = pytest.mark.peer
