from collections.abc import Callable
from typing import Any

class PortAudioError(Exception): ...

class CallbackFlags:
    input_underflow: bool
    input_overflow: bool
    output_underflow: bool
    output_overflow: bool

class _StreamBase:
    @property
    def active(self) -> bool: ...
    @property
    def latency(self) -> float: ...
    def start(self) -> None: ...
    def stop(self, ignore_errors: bool = ...) -> None: ...
    def abort(self, ignore_errors: bool = ...) -> None: ...
    def close(self, ignore_errors: bool = ...) -> None: ...

class RawInputStream(_StreamBase):
    def __init__(
        self,
        samplerate: float | None = ...,
        blocksize: int | None = ...,
        device: int | str | None = ...,
        channels: int | None = ...,
        dtype: str | None = ...,
        latency: float | str | None = ...,
        extra_settings: Any = ...,
        callback: Callable[[Any, int, Any, CallbackFlags], None] | None = ...,
        finished_callback: Callable[[], None] | None = ...,
    ) -> None: ...

class RawOutputStream(_StreamBase):
    def __init__(
        self,
        samplerate: float | None = ...,
        blocksize: int | None = ...,
        device: int | str | None = ...,
        channels: int | None = ...,
        dtype: str | None = ...,
        latency: float | str | None = ...,
        extra_settings: Any = ...,
        callback: Callable[[Any, int, Any, CallbackFlags], None] | None = ...,
        finished_callback: Callable[[], None] | None = ...,
    ) -> None: ...

class WasapiSettings:
    def __init__(self, exclusive: bool = ..., auto_convert: bool = ..., explicit_sample_format: bool = ...) -> None: ...

def query_devices() -> list[dict[str, Any]]: ...
def query_hostapis() -> tuple[dict[str, Any], ...]: ...
def _initialize() -> None: ...
def _terminate() -> None: ...
def get_portaudio_version() -> tuple[int, str]: ...

_libname: str
