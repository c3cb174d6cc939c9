"""pyVoIP as a process of its own: a phone without TLS and without SRTP.

Run as `python pyvoip_peer.py SERVER_PORT USER PASSWORD SIP_PORT FIRST_RTP LAST_RTP WAV|- auto|manual`.
Reads commands from standard input, one a line: `dial USER`, `answer`, `hangup`, `deny`, `quit`.
Writes what happens to standard output as JSON lines: {"event": "registered" | "incoming" | "answered" | "ended" | ...}.
It says WAV (8000 Hz, mono, 16 bits) again and again and counts what it hears.
"""

import audioop
import json
import sys
import threading
import time
import wave
from typing import Any

from pyVoIP.VoIP import CallState, InvalidStateError, VoIPCall, VoIPPhone
from pyVoIP.VoIP.status import PhoneStatus

FRAME = 160


class Peer:
    def __init__(self, arguments: list[str]) -> None:
        server_port, user, password, sip_port, first, last, wav, self.mode = arguments
        self.speech = _unsigned_octets(wav) if wav != "-" else b"\x80" * FRAME
        self.call: Any = None
        self.output = threading.Lock()
        self.phone = VoIPPhone(
            "127.0.0.1",
            int(server_port),
            user,
            password,
            myIP="127.0.0.1",
            sipPort=int(sip_port),
            rtpPortLow=int(first),
            rtpPortHigh=int(last),
            callCallback=self.incoming,
        )

    def say(self, event: str, **facts: object) -> None:
        with self.output:
            print(json.dumps({"event": event, **facts}), flush=True)

    def run(self) -> None:
        self.phone.start()
        deadline = time.monotonic() + 10
        while self.phone.get_status() is not PhoneStatus.REGISTERED and time.monotonic() < deadline:
            time.sleep(0.02)
        self.say("registered" if self.phone.get_status() is PhoneStatus.REGISTERED else "failed")
        for line in sys.stdin:
            words = line.split()
            try:
                match words:
                    case ["quit"]:
                        break
                    case ["dial", user]:
                        self.call = self.phone.call(user)
                        threading.Thread(target=self.talk, args=(self.call,), daemon=True).start()
                    case ["answer" | "hangup" | "deny" as verb]:
                        getattr(self.call, verb)()
                self.say("done", command=words)
            except (InvalidStateError, AttributeError, OSError) as error:
                self.say("refused", command=words, reason=repr(error))
        self.phone.stop()

    def incoming(self, call: VoIPCall) -> None:
        self.call = call
        media = call.request.body["m"][0]
        self.say("incoming", profile=str(media["protocol"]), port=media["port"])
        if self.mode == "auto":
            call.answer()
        self.talk(call)

    def talk(self, call: VoIPCall) -> None:
        """Say and hear until the call ends; pyVoIP paces neither, so the clock does."""
        while call.state in (CallState.DIALING, CallState.RINGING):
            time.sleep(0.01)
        self.say("answered" if call.state is CallState.ANSWERED else "ended", heard=0)
        heard = said = 0
        clock = time.monotonic()
        while call.state is CallState.ANSWERED:
            call.write_audio(bytes(self.speech[(said + n) % len(self.speech)] for n in range(FRAME)))
            said += FRAME
            heard += call.read_audio(FRAME, blocking=False) != b"\x80" * FRAME
            clock += 0.02
            time.sleep(max(0.0, clock - time.monotonic()))
        self.say("ended", heard=heard)


def _unsigned_octets(path: str) -> bytes:
    """pyVoIP wants 8 bits, unsigned, 8000 Hz."""
    with wave.open(path, "rb") as file:
        return audioop.bias(audioop.lin2lin(file.readframes(file.getnframes()), 2, 1), 1, 128)


if __name__ == "__main__":
    Peer(sys.argv[1:]).run()
