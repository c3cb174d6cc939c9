"""One call of a phone with its own kind: a file is said by the caller, and the callee's speaker is recorded.

Owns: how each phone is brought to do that, over the impaired line and SRTP. The way of the sound is the same for all:
a file at the codec's rate into the caller, a PulseAudio null sink at 48 kHz behind the callee. Must not know: scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.bench.phones import BaresipPhone, BenchPhone, LinphonePhone, OurPhone
from tests.peers.certificates import PrivateCa
from tests.peers.impaired_line import ImpairedLine, Impairment
from tests.peers.kamailio import Kamailio
from tests.peers.process import PeerProcess, short_directory
from tests.peers.pulse import RATE, PulseRig, Recording, settle
from tests.peers.speech import Samples, read_wav

CODEC_RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "opus": 48000}
SILENT = "a_in"  # a microphone that nobody speaks into
AFTER_S = 4.0  # recorded beyond the file's end: what is held back, and how late a phone begins


@dataclass(frozen=True, slots=True)
class SpeechCall:
    phone: str
    codec: str
    impairment: Impairment
    said: Path


class Lane:
    """Server, line and speaker of one call after another."""

    def __init__(self, rig: PulseRig, ca: PrivateCa, speaker: str) -> None:
        self._rig = rig
        self._speaker = speaker
        self._line = ImpairedLine(Impairment())
        self._kamailio = Kamailio(ca, rtpengine=self._line.port)
        self._directory = short_directory("lane")

    def stop(self) -> None:
        self._kamailio.stop()
        self._line.stop()

    def heard(self, call: SpeechCall) -> Samples:
        """What came out of the callee's speaker, at 48 kHz."""
        rig, kamailio, line = self._rig, self._kamailio, self._line
        said, rate = read_wav(call.said)
        devices = (SILENT, self._speaker)
        running: list[BenchPhone] = []
        # A line that has not begun is perfect: the first packet of a file meets the first throw of the dice.
        line.begin(Impairment() if call.phone == "linphone" else call.impairment)
        try:
            match call.phone:
                case "ours":
                    running.append(OurPhone(rig, kamailio, "bob", "b", codec=call.codec, devices=devices))
                    kamailio.wait_registered("bob", timeout=30)
                    ear = self._record()
                    caller = OurPhone(rig, kamailio, "alice", "a", "bob", codec=call.codec, play=call.said)
                    running.append(caller)
                    caller.wait_event("secured", 30)
                case "baresip":
                    callee = BaresipPhone(rig, kamailio, "bob", "b", codec=call.codec, devices=devices, device_rate=0)
                    running.append(callee)
                    talker = BaresipPhone(rig, kamailio, "alice", "a", codec=call.codec, play=call.said)
                    running.append(talker)
                    ear = self._record()
                    talker.phone.dial(callee.phone.uri)
                    talker.phone.wait_for("CALL_ESTABLISHED", timeout=30)
                case "linphone":
                    listener = LinphonePhone(rig, kamailio, "bob", "b", codec=call.codec, devices=devices, answers=True)
                    running.append(listener)
                    speaker = LinphonePhone(rig, kamailio, "alice", "a", codec=call.codec, devices=(SILENT, "a_spk"))
                    running.append(speaker)
                    ear = self._record()
                    speaker.phone.dial(listener.phone.uri)
                    speaker.phone.wait_for_state("StreamsRunning", timeout=30)
                    settle(0.3)
                    speaker.phone.play(call.said)
                    line.begin(call.impairment)
            settle(len(said) / rate + AFTER_S)
            return ear.stop()
        finally:
            for phone in reversed(running):
                phone.stop()
            for user in ("alice", "bob"):
                kamailio.wait_registered(user, 0, timeout=30)

    def _record(self) -> Recording:
        raw = self._directory / "heard.raw"
        with raw.open("wb") as output:
            process = PeerProcess(
                "parec",
                [
                    *("parec", "-d", f"{self._speaker}.monitor", "--latency-msec=10", "--raw"),
                    *(f"--rate={RATE}", "--channels=1", "--format=s16le"),
                ],
                log=self._directory / "parec.log",
                environment=self._rig.environment,
                stdout=output.fileno(),
            )
        process.until(lambda: raw.stat().st_size > 0, f"sound from {self._speaker}")
        return Recording(process, raw)
