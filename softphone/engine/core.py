"""The thin shell round the user agent: handle, drain, perform the actions, publish the events, re-arm one timer.

Owns: the asyncio side of one `UserAgent`: its flows, its media, its timer. Decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import assert_never

from softphone.engine import clock
from softphone.engine.audio.backend import AudioEndpoint
from softphone.engine.local_addresses import is_ours
from softphone.engine.media.media_engine import MediaEngine
from softphone.engine.ports import Flow, Media, Opener, Post, Recorder
from softphone.engine.recording.no_recorder import NoRecorder
from softphone.engine.tones import Tones
from softphone.engine.trace import Trace
from softphone.errors import Failure, FailureKind, LocalProtocolError, OperationFailed
from softphone.policy.tls import TlsSettings
from softphone.ua.account import AccountId
from softphone.ua.actions import (
    Action,
    AnnounceRecording,
    CloseFlow,
    FlowId,
    MediaId,
    MixMedia,
    OpenFlow,
    OpenMedia,
    PlayDigit,
    PlayTone,
    RebindMedia,
    RecordMedia,
    SendBytes,
    SendTelephoneEvents,
    SendTones,
    SetAside,
    SetMuted,
    StartMedia,
    StopMedia,
    StopRecording,
    Tone,
    UpdateMedia,
)
from softphone.ua.commands import Command, Shutdown
from softphone.ua.events import Event
from softphone.ua.inputs import BytesReceived, FlowClosed, FlowOpened, Input, MediaFailed, NetworkChanged
from softphone.ua.user_agent import UserAgent

log = logging.getLogger(__name__)

GOODBYE_WITHIN = 1.0
"""Seconds that a server has at the end to close its side of a flow."""


@dataclass(slots=True)
class OpeningFlow:
    """A flow from OpenFlow on; bytes that overtake FlowOpened wait here."""

    task: asyncio.Task[None] | None = None
    flow: Flow | None = None
    early: list[bytes] = field(default_factory=list)


# Names of what is played beside the tones of calls, which have the calls' ids.
_KEY, _SAMPLE = "a key", "a sample"
_OVER_A_CALL = frozenset({Tone.CALL_WAITING, Tone.AUTO_ANSWERED, Tone.RECORDING, Tone.NOT_RECORDING})
"""These are heard where a call is heard even if there is no speaker for tones; others are not worth it."""


def _nowhere() -> None:
    """No speaker for tones alone."""


class EngineCore:
    """Lives on one asyncio loop; only `post` may be called from other threads."""

    def __init__(
        self,
        agent: UserAgent,
        *,
        opener: Opener,
        tls_settings: Callable[[AccountId], TlsSettings],
        endpoint: Callable[[MediaId], AudioEndpoint],
        publish: Callable[[Event], None],
        trace: Trace | None = None,
        media: Callable[[Post], Media] = MediaEngine,
        speaker: Callable[[], AudioEndpoint | None] = _nowhere,
        ringer: Callable[[], AudioEndpoint | None] = _nowhere,
        tones: Tones | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        """`endpoint` gives each call its microphone and speaker; it raises OperationFailed when there is none.

        `speaker` gives the endpoint that tones for the person are played on; None: only where a call is heard.
        `ringer` gives the one for tones that announce a call; it is the speaker's own unless another was chosen.
        `tones` says how each of them sounds.
        `recorder` records calls; None: none can be.
        `media(post)` makes what sends and receives; the lab's connections share one thread through it.
        """
        self.agent = agent
        self._opener = opener
        self._tls_settings, self._endpoint, self._publish = tls_settings, endpoint, publish
        self._speaker, self._ringer = speaker, ringer
        self.tones = tones or Tones()
        self._trace = trace
        self._loop = asyncio.get_running_loop()
        self._media = media(self.post)
        self._recorder = recorder or NoRecorder()
        self._recorder.connect(self._media.record, self.post)
        self._flows: dict[FlowId, OpeningFlow] = {}
        self._ending: dict[asyncio.Task[None], Flow] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._closed = False
        self._quiet = asyncio.Event()  # set once the user agent has nothing left to do after Shutdown

    @property
    def media(self) -> Media:
        return self._media

    def submit(self, command: Command) -> None:
        self._step(lambda now: self.agent.submit(command, now))

    def post(self, given: Input) -> None:
        """From any thread: the media's, for one."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.handle, given)

    def handle(self, given: Input) -> None:
        self._step(lambda now: self.agent.handle(given, now))

    def network_changed(self, woke: bool) -> None:
        """Tells the user agent, with the flows whose local address is gone (`network_watch.py` calls this)."""
        local = {id_: entry.flow.description.local_address for id_, entry in self._flows.items() if entry.flow}
        gone = {address for address in set(local.values()) if not is_ours(address)}
        self.handle(NetworkChanged(woke, tuple(id_ for id_, address in local.items() if address in gone)))

    @property
    def servers(self) -> tuple[str, ...]:
        """The addresses that open flows go to."""
        flows = (entry.flow for entry in self._flows.values())
        return tuple({flow.description.remote_address for flow in flows if flow is not None})

    async def close(self, within: float = 5.0) -> None:
        """Hang up, unregister, close the flows; what a silent server leaves open is dropped after `within` seconds."""
        if self._closed:
            return
        self.submit(Shutdown())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), within)
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        opening = [entry.task for entry in self._flows.values() if entry.task is not None and not entry.task.done()]
        for task in opening:
            task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)
        for entry in self._flows.values():
            if entry.flow is not None:
                self._end_flow(entry.flow)
        self._flows.clear()
        await self._flows_gone()
        await self.tones.close()
        await self._loop.run_in_executor(None, self._recorder.close)
        await self._loop.run_in_executor(None, self._media.close)

    # The cycle

    def _step(self, work: Callable[[float], None]) -> None:
        if self._closed:
            return
        try:
            work(clock.now())
        except LocalProtocolError:
            # A bug of ours must not end everybody's calls; it is loud in the log and the state stays as it was.
            log.exception("a machine was asked for what its state forbids")
        finally:  # whatever went wrong: what was said is sent, and the next timer is set
            self._flush()

    def _flush(self) -> None:
        if self._busy:  # a listener of an event gave a command: the loop below will see its outputs
            return
        self._busy = True
        try:
            while outputs := self.agent.drain():
                for output in outputs:
                    if isinstance(output, Action):
                        self._perform(output)
                    else:
                        self._publish(output)
        finally:
            self._busy = False
        if self.agent.quiet:
            self._quiet.set()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self.agent.next_timer()
        if deadline is not None and not self._closed:
            self._timer = self._loop.call_later(max(0.0, deadline - clock.now()), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        self._step(self.agent.handle_timer)

    # The actions

    def _perform(self, action: Action) -> None:
        match action:
            case OpenFlow():
                entry = OpeningFlow()
                self._flows[action.flow_id] = entry
                entry.task = self._loop.create_task(self._open_flow(action, entry))
            case SendBytes(flow_id=flow_id, data=data):
                self._send(flow_id, data)
            case CloseFlow(flow_id=flow_id):
                self._close_flow(flow_id)
            case OpenMedia(media_id=media_id, flow_id=flow_id):
                self._open_media(media_id, flow_id)
            case StartMedia(media_id=media_id):
                self._start_media(action)
            case UpdateMedia(media_id=media_id, media=media):
                self._media.update(media_id, media)
            case StopMedia(media_id=media_id):
                self._recorder.stop(media_id)
                self._media.stop(media_id)
            case RecordMedia():
                self._recorder.start(action)
            case StopRecording(media_id=media_id):
                self._recorder.stop(media_id)
            case AnnounceRecording(media_id=media_id, on=on):
                self._media.announce_recording(media_id, on)
            case SetMuted(media_id=media_id, muted=muted):
                self._media.set_muted(media_id, muted)
            case SetAside(media_id=media_id, aside=aside):
                self._media.set_aside(media_id, aside)
            case SendTelephoneEvents(media_id=media_id, digits=digits):
                self._media.send_digits(media_id, digits)
            case SendTones(media_id=media_id, digits=digits):
                self._media.send_tones(media_id, digits)
            case RebindMedia(media_id=media_id, flow_id=flow_id):
                self._rebind_media(media_id, flow_id)
            case MixMedia(media_ids=media_ids, silenced=silenced):
                self._media.mix(media_ids, silenced)
            case PlayTone():
                self._play_tone(action)
            case PlayDigit(digit=digit):
                self.play_key(digit)
            case _:
                assert_never(action)

    async def _open_flow(self, action: OpenFlow, entry: OpeningFlow) -> None:
        flow_id = action.flow_id

        def received(data: bytes) -> None:
            if entry.flow is None:
                entry.early.append(data)
            else:
                self._received(flow_id, data)

        def closed(failure: Failure) -> None:
            if self._flows.pop(flow_id, None) is not None:
                self.handle(FlowClosed(flow_id, failure))

        try:
            flow = await self._opener.open(action, self._tls_settings(action.account_id), received, closed)
        except OperationFailed as error:
            closed(error.failure)
            return
        if flow_id not in self._flows:  # closed while it was being opened
            flow.close()
            return
        entry.flow = flow
        self.handle(FlowOpened(flow_id, flow.description))
        for data in entry.early:
            self._received(flow_id, data)
        entry.early.clear()

    def _received(self, flow_id: FlowId, data: bytes) -> None:
        if self._trace is not None:
            self._trace.received(flow_id, data)
        self.handle(BytesReceived(flow_id, data))

    def _send(self, flow_id: FlowId, data: bytes) -> None:
        entry = self._flows.get(flow_id)
        if entry is not None and entry.flow is not None:
            if self._trace is not None:
                self._trace.sent(flow_id, data)
            entry.flow.send(data)

    def _close_flow(self, flow_id: FlowId) -> None:
        entry = self._flows.pop(flow_id, None)
        if entry is None:
            return
        if entry.flow is not None:
            self._end_flow(entry.flow)
        elif entry.task is not None:
            entry.task.cancel()

    def _end_flow(self, flow: Flow) -> None:
        flow.close()
        gone = self._loop.create_task(flow.wait_closed())
        self._ending[gone] = flow
        gone.add_done_callback(lambda task: self._ending.pop(task, None))

    async def _flows_gone(self) -> None:
        """The loop must not end before its connections have; a server that does not say goodbye is cut off."""
        ending = dict(self._ending)
        if not ending:
            return
        _, late = await asyncio.wait(ending, timeout=GOODBYE_WITHIN)
        for task in late:
            ending[task].abort()
        if late:
            await asyncio.wait(late)

    def _open_media(self, media_id: MediaId, flow_id: FlowId) -> None:
        entry = self._flows.get(flow_id)
        if entry is None or entry.flow is None:
            failure = Failure(
                FailureKind.CONNECTION_LOST,
                "The connection to the server was lost before the call began.",
                "The phone reconnects by itself; call again when it is registered.",
            )
            self.post(MediaFailed(media_id, failure))
            return
        self._media.open(media_id, entry.flow.description.local_address)

    def _rebind_media(self, media_id: MediaId, flow_id: FlowId) -> None:
        entry = self._flows.get(flow_id)
        if entry is not None and entry.flow is not None:  # else the next flow asks again
            self._media.rebind(media_id, entry.flow.description.local_address)

    def _start_media(self, action: StartMedia) -> None:
        try:
            endpoint = self._endpoint(action.media_id)
        except OperationFailed as error:
            self.post(MediaFailed(action.media_id, error.failure))
            return
        self._media.start(action.media_id, action.media, endpoint)

    def _play_tone(self, action: PlayTone) -> None:
        """A tone that cannot be heard fails no call."""
        tone = action.tone
        if tone is None:
            self._media.play_tone(action.call_id, None, None)
            return
        endpoint = self._tone_endpoint(tone)
        if endpoint is not None or tone in _OVER_A_CALL:
            self._media.play_tone(action.call_id, self.tones.sound(tone, action.ringtone), endpoint)

    def play_key(self, digit: str) -> None:
        """What a key that is pressed sounds like to the person."""
        sound = self.tones.key(digit)
        endpoint = self._endpoint_or_none(self._speaker)
        if sound is not None and endpoint is not None:
            self._media.play_tone(_KEY, sound, endpoint)

    def try_tone(self, tone: Tone | None, ringtone: str = "", country: str | None = None) -> bool:
        """A tone for the person to listen to, on the device where it would be heard; None ends it.

        False if there is no such device: then nothing is heard.
        """
        if tone is None:
            self._media.play_tone(_SAMPLE, None, None)
            return False
        endpoint = self._tone_endpoint(tone)
        if endpoint is not None:
            self._media.play_tone(_SAMPLE, self.tones.sound(tone, ringtone, country), endpoint)
        return endpoint is not None

    def _tone_endpoint(self, tone: Tone) -> AudioEndpoint | None:
        """A ring that its own device cannot play is heard on the speaker: a phone is never silent."""
        ringer = self._endpoint_or_none(self._ringer) if tone is Tone.RINGING else None
        return ringer or self._endpoint_or_none(self._speaker)

    def _endpoint_or_none(self, wanted: Callable[[], AudioEndpoint | None]) -> AudioEndpoint | None:
        try:
            return wanted()
        except OperationFailed as error:
            log.warning("a tone is not heard: %s", error.failure.reason)
            return None
