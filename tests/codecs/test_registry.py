"""softphone/codecs/registry.py: what is registered keeps the protocol."""

from __future__ import annotations

import numpy as np
import pytest

from softphone.codecs.records import CODEC_RECORDS
from softphone.codecs.registry import CODECS, Codec, CodecSetting
from softphone.engine.media.codec_libraries import codec_library


def setting(name: str) -> CodecSetting:
    return CodecSetting(library=codec_library(name))


@pytest.mark.parametrize("name", CODECS)
def test_every_codec_decodes_what_it_encodes_and_conceals_the_next(name: str) -> None:
    codec: Codec = CODECS[name](setting(name))
    samples = codec.sample_rate // 50
    sound = (8000 * np.sin(2 * np.pi * 200 * np.arange(samples) / codec.sample_rate)).astype(np.int16)
    for _ in range(5):
        decoded = codec.decode(codec.encode(sound))
        assert decoded.dtype == np.int16
        assert decoded.shape == (samples,)
    concealed = codec.conceal(samples)
    assert concealed.dtype == np.int16
    assert concealed.shape == (samples,)
    assert np.abs(concealed).max() > 4000


def test_every_codec_that_is_offered_exists_with_the_rate_of_its_record() -> None:
    voices = {name: record for name, record in CODEC_RECORDS.items() if record.voice}
    assert set(voices) == set(CODECS)
    for name, record in voices.items():
        assert CODECS[name](setting(name)).sample_rate == record.sample_rate


def test_each_call_gets_a_codec_of_its_own() -> None:
    assert all(build(setting(name)) is not build(setting(name)) for name, build in CODECS.items())
