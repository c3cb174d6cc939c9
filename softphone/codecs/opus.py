"""Opus (RFC 6716, RFC 7587): a small binding on libopus, mono at 48 kHz.

Owns: one encoder and one decoder, their settings, the peer's fmtp, the redundancy that reports of loss ask for. Must
not know: RTP, SDP, devices, where the library lies: engine/media/codec_libraries.py opens it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any

import cffi
import numpy as np
from numpy.typing import NDArray

from softphone.errors import LocalProtocolError, RemoteProtocolError

SAMPLE_RATE = 48_000
BIT_RATE = 48_000  # bit/s at first: speech with room for redundancy, with its headers less than G.711 takes
MOST_BIT_RATE = 48_000  # for a line that bears it; the peer may want less
MIN_BIT_RATE = 6_000  # RFC 7587 §6.1, maxaveragebitrate
COMPLEXITY = 6  # of 10: from here on pitch is sought as it should be; 8 costs a third more, 10 nothing beyond that
# %: at 5 redundancy begins, at little cost where nothing is lost; above 40 nothing is left for speech.
MIN_EXPECTED_LOSS, MAX_EXPECTED_LOSS = 5, 40
WIDE_BAND_LOSS = 8  # %: from here on nothing above 8 kHz is sent
LOSS_STEP_DOWN = 3  # % for each report that is better than what is expected; worse ones are believed at once
MAX_PACKET = 1275  # octets: of one frame (RFC 6716 §3.2.1), and far more than our bit rate makes
MAX_PAYLOAD = 1500  # octets taken in: no datagram that came whole holds more
MAX_DECODED = SAMPLE_RATE * 120 // 1000  # samples of the longest packet (RFC 6716 §3.2.5)
_STEP = SAMPLE_RATE // 400  # 2.5 ms: the library conceals in such steps
_DTX_OCTETS = 2  # a packet that says no more than that nobody speaks

# opus_defines.h: numbers that are the library's contract.
_APPLICATION_VOIP = 2048
_OK = 0
_SET_BITRATE, _SET_MAX_BANDWIDTH, _SET_VBR, _SET_COMPLEXITY = 4002, 4004, 4006, 4010
_SET_INBAND_FEC, _SET_PACKET_LOSS_PERC, _SET_DTX, _SET_SIGNAL = 4012, 4014, 4016, 4024
_SIGNAL_VOICE = 3001
_BANDWIDTHS = ((8_000, 1101), (12_000, 1102), (16_000, 1103), (24_000, 1104))  # of a decoder's rate in Hz
_WIDE_BAND, _FULL_BAND = 1103, 1105

_DECLARATIONS = """
typedef struct OpusEncoder OpusEncoder;
typedef struct OpusDecoder OpusDecoder;
OpusEncoder *opus_encoder_create(int32_t rate, int channels, int application, int *error);
void opus_encoder_destroy(OpusEncoder *encoder);
int opus_encoder_ctl(OpusEncoder *encoder, int request, ...);
int32_t opus_encode(OpusEncoder *encoder, const int16_t *pcm, int frame_size, unsigned char *data, int32_t room);
OpusDecoder *opus_decoder_create(int32_t rate, int channels, int *error);
void opus_decoder_destroy(OpusDecoder *decoder);
int opus_decode(OpusDecoder *decoder, const unsigned char *data, int32_t length, int16_t *pcm, int room, int fec);
"""


@functools.cache
def binding() -> Any:
    """The declarations; `binding().dlopen(name)` gives what `Opus` is made with."""
    ffi = cffi.FFI()
    ffi.cdef(_DECLARATIONS)
    return ffi


def _read(parameters: str) -> Mapping[str, str]:
    """An fmtp's `name=value` items (RFC 7587 §6.1); the first of a name counts."""
    found: dict[str, str] = {}
    for item in parameters.split(";"):
        name, _, value = item.partition("=")
        found.setdefault(name.strip().lower(), value.strip())
    return found


def _number(parameters: Mapping[str, str], name: str) -> int | None:
    text = parameters.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 8 else None


def _bandwidth(playback_rate: int | None) -> int:
    """What a decoder of that rate can play; None: everything."""
    return next((band for rate, band in _BANDWIDTHS if playback_rate and playback_rate <= rate), _FULL_BAND)


class Opus:
    """Encoder and decoder of one call."""

    sample_rate = SAMPLE_RATE

    def __init__(self, library: Any, parameters: str = "", bit_rate: int | None = None) -> None:
        """`library` as `binding()` opened it, `parameters` is the peer's fmtp, `bit_rate` its bound in bit/s.

        Raises LocalProtocolError without a library.
        """
        if library is None:
            raise LocalProtocolError("Opus was chosen on a machine without libopus")
        self._ffi = binding()
        self._opus = library
        error = self._ffi.new("int *")
        self._encoder = self._made(library.opus_encoder_create(SAMPLE_RATE, 1, _APPLICATION_VOIP, error), error)
        self._encoder = self._ffi.gc(self._encoder, library.opus_encoder_destroy)
        self._decoder = self._made(library.opus_decoder_create(SAMPLE_RATE, 1, error), error)
        self._decoder = self._ffi.gc(self._decoder, library.opus_decoder_destroy)
        self._packet = self._ffi.new("unsigned char[]", MAX_PACKET)
        self._expected_loss = MIN_EXPECTED_LOSS
        self.in_pause = False
        self._set(_read(parameters), bit_rate)

    def _made(self, coder: Any, error: Any) -> Any:
        if error[0] != _OK or coder == self._ffi.NULL:
            raise LocalProtocolError(f"libopus gives no coder ({error[0]})")
        return coder

    def _set(self, wanted: Mapping[str, str], bound: int | None) -> None:
        """What the peer asks for; what it leaves out has the defaults of RFC 7587 §6.1. We always speak in mono."""
        bounds = (MOST_BIT_RATE, _number(wanted, "maxaveragebitrate") or MOST_BIT_RATE, bound or MOST_BIT_RATE)
        self.most_bit_rate = max(MIN_BIT_RATE, min(bounds))
        self._bandwidth = _bandwidth(_number(wanted, "maxplaybackrate"))
        for request, value in (
            (_SET_BITRATE, min(BIT_RATE, self.most_bit_rate)),
            (_SET_MAX_BANDWIDTH, self._bandwidth),
            (_SET_VBR, int(wanted.get("cbr") != "1")),
            (_SET_COMPLEXITY, COMPLEXITY),
            (_SET_INBAND_FEC, int(wanted.get("useinbandfec") == "1")),
            (_SET_PACKET_LOSS_PERC, self._expected_loss),
            (_SET_DTX, int(wanted.get("usedtx") == "1")),
            (_SET_SIGNAL, _SIGNAL_VOICE),
        ):
            self._control(request, value)

    def _control(self, request: int, value: int) -> None:
        if self._opus.opus_encoder_ctl(self._encoder, request, self._ffi.cast("int32_t", value)) != _OK:
            raise LocalProtocolError(f"libopus refuses the setting {request}")

    @property
    def expected_loss(self) -> int:
        """In per cent: what the redundancy in each packet is made for."""
        return self._expected_loss

    def expect_loss(self, fraction: float) -> None:
        """More loss is believed at once, less of it step by step: one good report proves little.

        The band above 8 kHz is in no redundancy: on a lossy line it would come and go, and its bits are needed below.
        """
        reported = math.ceil(fraction * 100)
        expected = max(reported, self._expected_loss - LOSS_STEP_DOWN, MIN_EXPECTED_LOSS)
        expected = min(expected, MAX_EXPECTED_LOSS)
        if expected != self._expected_loss:
            self._expected_loss = expected
            self._control(_SET_PACKET_LOSS_PERC, expected)
            widest = _WIDE_BAND if expected >= WIDE_BAND_LOSS else _FULL_BAND
            self._control(_SET_MAX_BANDWIDTH, min(widest, self._bandwidth))

    def send_at(self, bit_rate: int) -> None:
        """bit/s on average, redundancy included; bounded by what the peer wants and what the codec can."""
        self._control(_SET_BITRATE, max(MIN_BIT_RATE, min(bit_rate, self.most_bit_rate)))

    def encode(self, frame: NDArray[np.int16]) -> bytes:
        """One packet of 10, 20, 40 or 60 ms at 48 kHz; empty where nothing is to be sent (DTX, RFC 7587 §3.1.3)."""
        samples = np.ascontiguousarray(frame, dtype=np.int16)
        length = self._opus.opus_encode(
            self._encoder, self._ffi.from_buffer("int16_t[]", samples), samples.size, self._packet, MAX_PACKET
        )
        if length < 0:
            raise LocalProtocolError(f"libopus takes no frame of {samples.size} samples")
        return b"" if length <= _DTX_OCTETS else bytes(self._ffi.buffer(self._packet, length))

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """Mono, whatever was sent. Raises RemoteProtocolError for what is no Opus packet."""
        if not 0 < len(payload) <= MAX_PAYLOAD:
            raise RemoteProtocolError(f"an Opus packet of {len(payload)} octets")
        self.in_pause = len(payload) <= _DTX_OCTETS
        return self._decode(payload, MAX_DECODED, fec=False)

    def conceal(self, samples: int) -> NDArray[np.int16]:
        """The library's own continuation."""
        return self._decode(None, self._whole_steps(samples), fec=False)[:samples]

    def recover(self, following: bytes | None, samples: int) -> NDArray[np.int16]:
        """From the redundancy in `following`; the library conceals where there is none, and what comes before it."""
        if following and len(following) <= MAX_PAYLOAD:
            try:
                return self._decode(following, self._whole_steps(samples), fec=True)[:samples]
            except RemoteProtocolError:
                pass  # it will be told when it is decoded itself
        return self.conceal(samples)

    def comfort_noise(self, payload: bytes) -> None:
        """RFC 3389 is not used with Opus, which has a discontinuous transmission of its own."""

    def pause(self, samples: int) -> NDArray[np.int16]:
        """The background that the library learnt while the talker's DTX lasts, otherwise silence."""
        return self.conceal(samples) if self.in_pause else np.zeros(samples, np.int16)

    @staticmethod
    def _whole_steps(samples: int) -> int:
        return min(-(-samples // _STEP) * _STEP, MAX_DECODED)

    def _decode(self, payload: bytes | None, room: int, *, fec: bool) -> NDArray[np.int16]:
        sound = np.empty(room, np.int16)
        data, length = (self._ffi.NULL, 0) if payload is None else (payload, len(payload))
        count = self._opus.opus_decode(
            self._decoder,
            data,
            length,
            self._ffi.from_buffer("int16_t[]", sound, require_writable=True),
            room,
            int(fec),
        )
        if count < 0:
            raise RemoteProtocolError(f"not an Opus packet ({count})")
        return sound[:count]
