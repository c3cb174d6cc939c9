"""The part of soundfile that is used here."""

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__libsndfile_version__: str

class LibsndfileError(RuntimeError): ...

class SoundFile:
    frames: int
    samplerate: int
    channels: int
    def __init__(
        self,
        file: Any,
        mode: str | None = ...,
        samplerate: int | None = ...,
        channels: int | None = ...,
        subtype: str | None = ...,
        endian: str | None = ...,
        format: str | None = ...,
        closefd: bool = ...,
        compression_level: float | None = ...,
        bitrate_mode: str | None = ...,
    ) -> None: ...
    def write(self, data: NDArray[Any]) -> None: ...
    def read(self, frames: int = ..., dtype: str = ..., always_2d: bool = ...) -> NDArray[Any]: ...
    def close(self) -> None: ...
    def __enter__(self) -> SoundFile: ...
    def __exit__(self, *args: object) -> None: ...

def read(
    file: str | BinaryIO, frames: int = ..., start: int = ..., dtype: str = ..., always_2d: bool = ...
) -> tuple[NDArray[np.int16], int]: ...
def write(file: str | BinaryIO, data: NDArray[Any], samplerate: int) -> None: ...
