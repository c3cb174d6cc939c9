from collections.abc import Mapping
from types import TracebackType

class PulseError(Exception): ...

class PulseSinkInfo:
    name: str
    description: str
    channel_count: int
    proplist: Mapping[str, str]

class PulseSourceInfo:
    name: str
    description: str
    channel_count: int
    monitor_of_sink: int
    monitor_of_sink_name: str | None
    proplist: Mapping[str, str]

class PulseServerInfo:
    default_sink_name: str
    default_source_name: str

class Pulse:
    def __init__(
        self, client_name: str | None = ..., server: str | None = ..., connect: bool = ..., threading_lock: bool = ...
    ) -> None: ...
    def connect(self, autospawn: bool = ..., wait: bool = ..., timeout: float | None = ...) -> None: ...
    def close(self) -> None: ...
    def sink_list(self) -> list[PulseSinkInfo]: ...
    def source_list(self) -> list[PulseSourceInfo]: ...
    def server_info(self) -> PulseServerInfo: ...
    def __enter__(self) -> Pulse: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
