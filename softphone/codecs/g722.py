"""G.722 at 64 kbit/s (ITU-T G.722 mode 1, RFC 3551 §4.5.2): 7 kHz speech, 16000 samples a second.

Owns: the coder each way and the concealment of this stream. Must not know: RTP, SDP, devices. The RTP clock counts
8000 a second by an old mistake that RFC 3551 keeps; the samples do not.
"""

from __future__ import annotations

import G722
import numpy as np
from numpy.typing import NDArray

from softphone.codecs.concealment import PitchConcealment

SAMPLE_RATE = 16_000
BIT_RATE = 64_000
_HISTORY = SAMPLE_RATE * 60 // 1000  # samples from which the decoder's state can be imitated
_HEARD = 0.6  # of what is concealed in the decoder's ears at its end: scale factors too small hurt less than too great


class G722Codec:
    """Static payload type 9."""

    sample_rate = SAMPLE_RATE
    most_bit_rate = 0
    in_pause = False  # RFC 3389 has no comfort noise for it

    def __init__(self) -> None:
        # One object has one state: each direction needs its own.
        self._encoder = G722.G722(SAMPLE_RATE, BIT_RATE)
        self._decoder = G722.G722(SAMPLE_RATE, BIT_RATE)
        self._concealment = PitchConcealment(SAMPLE_RATE)
        self._history = np.zeros(0, np.int16)
        self._imitation: G722.G722 | None = None  # in a gap: it encodes what is concealed
        self._ahead: tuple[bytes, NDArray[np.int16]] | None = None  # decoded already, for a bridge to it

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """One octet for two samples."""
        return self._encoder.encode(np.ascontiguousarray(frame, dtype=np.int16))

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """Two samples for each octet; any payload is readable."""
        if not payload:
            return np.zeros(0, np.int16)
        ahead, self._ahead = self._ahead, None
        sound = ahead[1] if ahead and ahead[0] == payload else self._decoded(payload)
        self._imitation = None
        self._history = np.concatenate((self._history, sound))[-_HISTORY:]
        return self._concealment.received(sound)

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """What most likely was in the packets that did not come: the last pitch periods, fading."""
        self._ahead = None
        self._let_hear(samples)
        return self._concealment.conceal(samples)

    def recover(self, following: bytes | None, samples: int) -> NDArray[np.int16]:
        """A bridge to `following`, which is decoded now; its first moment, the decoder out of step, is left out."""
        if not following:
            return self.conceal(samples)
        if self._ahead is None or self._ahead[0] != following:
            self._let_hear(samples)
            self._ahead = following, self._decoded(following)
        return self._concealment.bridge(samples, self._ahead[1], sound_at_once=False)

    def _decoded(self, payload: bytes) -> NDArray[np.int16]:
        return np.frombuffer(self._decoder.decode(payload), dtype=np.int16)

    def _let_hear(self, samples: int) -> None:
        """The decoder hears what is concealed, ever softer: its predictor and scale factors then stand nearer to the
        sender's when packets come again (the idea of G.722 Appendix IV).
        """
        if self._imitation is None:
            self._imitation = G722.G722(SAMPLE_RATE, BIT_RATE)
            self._imitation.encode(self._history[len(self._history) % 2 :])
        sound = self._concealment.continued(samples // 2 * 2)
        softer = np.rint(sound * np.linspace(1.0, _HEARD, len(sound))).astype(np.int16)
        self._decoder.decode(self._imitation.encode(softer))

    def expect_loss(self, fraction: float) -> None:
        """There is no redundancy to adapt."""

    def send_at(self, bit_rate: int) -> None:
        """It has one rate."""

    def comfort_noise(self, payload: bytes) -> None:
        """Not agreed on for it."""

    def pause(self, samples: int) -> NDArray[np.int16]:
        """Silence."""
        return np.zeros(samples, np.int16)
