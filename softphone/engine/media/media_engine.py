"""The media thread: ticks every 10 ms, reads all sockets just before, owns all media sessions.

Owns: the thread, its clock, the queue of calls into it. Must not know: signalling, devices. No lock is held across
work; calls are queued and a byte on a socket pair wakes the thread. An error in one session ends that session alone.
"""

from __future__ import annotations

import logging
import secrets
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVarTuple

from softphone.engine.audio.backend import BLOCK_MS, AudioEndpoint
from softphone.engine.local_addresses import is_ours
from softphone.engine.media import arrival
from softphone.engine.media.dtls_association import DtlsCertificate
from softphone.engine.media.keyed_session import KeyedMediaSession
from softphone.engine.media.media_session import MediaSession
from softphone.engine.media.mixer import Mixer
from softphone.engine.media.sockets import MediaSockets, PortRange
from softphone.engine.media.tone_player import Sound
from softphone.engine.media.transmitter import Tamper, TokenBytes
from softphone.engine.punctuality import Punctuality, Standing, be_punctual
from softphone.engine.recording.tape import Tape
from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.sdp.negotiated import NegotiatedMedia
from softphone.ua.actions import MediaId
from softphone.ua.inputs import Input, MediaFailed, MediaOpened, MediaReported
from softphone.ua.media_report import MediaReport

_log = logging.getLogger(__name__)
Given = TypeVarTuple("Given")

TICK_S = BLOCK_MS / 1000
LATE_S = TICK_S
"""A tick that is later than this counts as late."""
HELD_S = 3 * TICK_S
"""What devices hold of the sound: a tick that is later leaves a gap."""
LONGEST_CATCH_UP = 50
"""Ticks that are made up for at once; beyond half a second the time is skipped (the machine slept)."""
_DATAGRAMS_AT_ONCE = 32  # of one socket before the clock is looked at again: a flood must not stop the ticks
_BREATH_S = 0.0001  # between ticks that are made up for: a real-time thread that never pauses counts as run away
_JOIN_S = 5.0


@dataclass(frozen=True, slots=True)
class TickStatistics:
    """How punctual the thread was since the first session of all. `skipped` ticks are frames lost for ever."""

    ticks: int = 0
    late: int = 0
    skipped: int = 0
    worst_late_ms: float = 0.0


class MediaEngine:
    """All methods may be called from any thread and return at once; what comes of them is posted.

    `post` is called from the media thread and must not block. For the threads: one engine per process is enough.
    """

    def __init__(
        self,
        post: Callable[[Input], None],
        token_bytes: TokenBytes = secrets.token_bytes,
        ports: PortRange | None = None,
    ) -> None:
        self._listener = post
        self._token_bytes = token_bytes
        self._ports = ports or PortRange()
        self._sessions: dict[str, KeyedMediaSession] = {}
        self._certificate = DtlsCertificate()
        self._mixer = Mixer()
        self._failed: dict[str, MediaReport] = {}
        self._calls: deque[Callable[[], None]] = deque()
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._wake_writer.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._wake_selector = selectors.DefaultSelector()
        self._wake_selector.register(self._wake_reader, selectors.EVENT_READ)
        self._at_once = False  # datagrams are read when they come, not at the ticks
        self._left_unread = False
        self._next_tick: float | None = None
        self._statistics = TickStatistics()
        self._stalled_ms = 0.0
        self._standing = Standing()
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="media", daemon=True)
        self._thread.start()

    @property
    def statistics(self) -> TickStatistics:
        """Of the ticks; a consistent value, whichever thread asks."""
        return self._statistics

    @property
    def punctuality(self) -> Punctuality:
        """How the system schedules the media thread."""
        return self._standing.given

    def open(self, media_id: str, address: str) -> None:
        """Bind the sockets of a session on a local address: MediaOpened or MediaFailed follows."""
        self._call(lambda: self._open(media_id, address))

    def start(
        self, media_id: str, media: NegotiatedMedia, endpoint: AudioEndpoint, tamper: Tamper | None = None
    ) -> None:
        """Send and receive as negotiated. Sessions that are given the same endpoint share it.

        `tamper` changes protected packets: for the lab's adversaries.
        """

        def start(session: MediaSession) -> None:
            session.start(media, self._mixer.tap(media_id, endpoint), tamper, time.monotonic())

        self._call(lambda: self._with(media_id, start))

    def update(self, media_id: str, media: NegotiatedMedia) -> None:
        """A later offer/answer changed the session; unchanged keys keep their roll-over counter."""
        self._call(lambda: self._with(media_id, lambda session: session.update(media, time.monotonic())))

    def set_muted(self, media_id: str, muted: bool) -> None:
        """Muted, a session sends encoded silence."""
        self._call(lambda: self._with(media_id, lambda session: session.set_muted(muted)))

    def set_aside(self, media_id: str, aside: bool) -> None:
        """Neither heard nor hearing: another call is talked in."""
        self._call(lambda: self._with(media_id, lambda session: session.set_aside(aside)))

    def send_digits(self, media_id: str, digits: str) -> None:
        """As telephone-events in place of audio, or as tones where the peer takes none."""
        self._call(lambda: self._with(media_id, lambda session: session.send_digits(digits)))

    def send_tones(self, media_id: MediaId, digits: str) -> None:
        """Digits as tones in the voice, whatever was negotiated."""
        self._call(lambda: self._with(media_id, lambda session: session.send_tones(digits)))

    def rebind(self, media_id: MediaId, address: str) -> None:
        """New sockets on another local address; what runs goes on over them: keys, SSRC, counters, what is buffered.

        MediaOpened follows with the new ports. Where none can be had there, the old sockets stay; MediaFailed follows
        unless the address has gone meanwhile: then so has the flow that had it, and the next one asks again.
        """
        self._call(lambda: self._rebind(media_id, address))

    def mix(self, media_ids: tuple[MediaId, ...], silenced: tuple[MediaId, ...]) -> None:
        """One conference of these sessions: mix-minus. Fewer than two end it; what `silenced` say nobody hears."""
        self._call(lambda: self._mixer.mix(media_ids, silenced))

    def play_tone(self, name: str, sound: Sound | None, endpoint: AudioEndpoint | None) -> None:
        """To the person alone; None stops what has this name. Without an endpoint: over a call that is heard."""
        self._call(lambda: self._play_tone(name, sound, endpoint))

    def record(self, media_id: MediaId, tape: Tape | None) -> None:
        """Both sides of the session go onto the tape from now on; None: no more."""
        self._call(lambda: self._with(media_id, lambda session: session.record(tape)))

    def announce_recording(self, media_id: MediaId, on: bool) -> None:
        """The other side hears a beep now and then: what is said is recorded."""
        self._call(lambda: self._with(media_id, lambda session: session.announce_recording(on)))

    def stop(self, media_id: str) -> None:
        """RTCP BYE, sockets closed, endpoint stopped; a final MediaReported follows if the media had started."""
        self._call(lambda: self._stop(media_id))

    def close(self) -> None:
        """Stop every session and end the thread; waits for it."""
        self._call(self._end)
        self._thread.join(_JOIN_S)

    # From here on: the media thread.

    def _call(self, work: Callable[[], None]) -> None:
        self._calls.append(work)
        try:
            self._wake_writer.send(b"\0")
        except (BlockingIOError, OSError):  # full: it wakes anyway; closed: the engine has ended
            return

    def _post(self, what: Input) -> None:
        if isinstance(what, MediaReported):
            what = replace(what, report=replace(what.report, stalled_ms=self._stalled_ms))
        try:
            self._listener(what)
        except Exception:  # noqa: BLE001 - the thread carries every call and must live
            _log.exception("nobody takes what the media thread reports")

    def _run(self) -> None:
        self._standing = be_punctual()
        try:
            while not self._ending:
                self._wait()
                self._tick_if_due(time.monotonic())
        finally:
            for session in self._sessions.values():
                session.release()
            self._mixer.close()
            self._selector.close()
            self._wake_selector.close()
            self._wake_reader.close()
            self._wake_writer.close()

    def _wait(self) -> None:
        """Until the next tick, taking in what comes meanwhile, or just before it what came (`arrival.py`)."""
        if self._next_tick is None:
            self._take_in(None)
            return
        timeout = max(0.0, self._next_tick - time.monotonic())
        if self._at_once or self._left_unread:
            self._take_in(timeout)
        elif self._wake_selector.select(timeout):
            self._answer_calls()
        elif time.monotonic() >= self._next_tick:
            self._take_in(0.0)

    def _take_in(self, timeout: float | None) -> None:
        """A datagram of each ready socket, then a look at which still are: to find each one empty costs more."""
        for _ in range(_DATAGRAMS_AT_ONCE):
            ready = self._selector.select(timeout)
            self._left_unread = bool(ready)
            if not ready:
                return
            for key, _ in ready:
                if key.data is None:
                    self._answer_calls()
                    continue
                session, on_rtcp = key.data
                if session.media_id in self._sessions:  # not stopped by a call just answered
                    self._guarded(session, _receive, key.fileobj, session, on_rtcp)
            timeout = 0.0

    def _answer_calls(self) -> None:
        try:
            while self._wake_reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        while self._calls:
            work = self._calls.popleft()
            try:
                work()
            except Exception:  # noqa: BLE001 - the thread carries every call and must live
                _log.exception("a call to the media thread failed")

    def _tick_if_due(self, now: float) -> None:
        if self._next_tick is None or now < self._next_tick:
            return
        late = now - self._next_tick
        due = 1 + int(late / TICK_S)
        made = min(due, LONGEST_CATCH_UP)
        self._stalled_ms += max(0.0, late - HELD_S) * 1000
        before = self._statistics
        self._statistics = TickStatistics(
            ticks=before.ticks + made,
            late=before.late + (late > LATE_S),
            skipped=before.skipped + due - made,
            worst_late_ms=max(before.worst_late_ms, late * 1000),
        )
        if due > made:
            for session in self._started():
                self._guarded(session, session.skip, (due - made) * BLOCK_MS)
        for remaining in reversed(range(made)):
            self._tick(now - remaining * TICK_S)
            if remaining:
                time.sleep(_BREATH_S)
        self._next_tick += due * TICK_S
        self._rest_if_idle()

    def _tick(self, now: float) -> None:
        """All hear, then the speakers, then all speak (`mixer.py`)."""
        self._mixer.begin()
        for session in self._started():
            self._guarded(session, session.hear, now)
        for concerned, error in self._mixer.play():
            for media_id in concerned:
                if (failed := self._sessions.get(media_id)) is not None:
                    self._guarded(failed, _raise, error)
        for session in self._started():
            self._guarded(session, session.say, now, self._mixer.others)
        self._at_once = any(session.waiting or not session.sockets.stamped for session in self._sessions.values())

    def _started(self) -> list[MediaSession]:
        return [session for session in self._sessions.values() if session.started]

    def _rest_if_idle(self) -> None:
        if self._idle:
            self._next_tick = None

    @property
    def _idle(self) -> bool:
        """Nothing sounds, and nobody waits for keys."""
        return self._mixer.idle and not any(session.waiting for session in self._sessions.values())

    def _play_tone(self, name: str, sound: Sound | None, endpoint: AudioEndpoint | None) -> None:
        if sound is None:
            self._mixer.stop_tone(name)
        else:
            self._mixer.play_tone(name, sound, endpoint)
        self._tick_from_now()

    def _tick_from_now(self) -> None:
        if self._next_tick is None and not self._idle:
            self._next_tick = time.monotonic() + TICK_S

    def _guarded(self, session: MediaSession, work: Callable[[*Given], object], *given: *Given) -> None:
        """An error ends the session it came from and no other."""
        try:
            work(*given)
        except OperationFailed as error:
            self._fail(session, error.failure)
        except Exception:  # noqa: BLE001 - see above
            _log.exception("media session %s failed", session.media_id)
            self._fail(
                session,
                Failure(
                    FailureKind.ENGINE_FAILED,
                    "The voice connection ended because of an error in this program.",
                    "Call again; if it happens again, report it with the log.",
                ),
            )

    def _with(self, media_id: str, work: Callable[[MediaSession], None]) -> None:
        session = self._sessions.get(media_id)
        if session is None:
            return  # failed or stopped meanwhile: the user agent knows or will know
        self._guarded(session, work, session)
        self._tick_from_now()

    def _open(self, media_id: str, address: str) -> None:
        if media_id in self._sessions:
            raise ValueError("a media session of that name is open")
        try:
            sockets = MediaSockets.open(address, self._ports, self._token_bytes)
        except OperationFailed as error:
            self._post(MediaFailed(media_id, error.failure))
            return
        session = KeyedMediaSession(media_id, sockets, self._post, self._token_bytes, self._certificate)
        self._sessions[media_id] = session
        self._listen_to(session)
        self._post(MediaOpened(media_id, address, sockets.rtp_port, sockets.rtcp_port, self._certificate.fingerprint))

    def _rebind(self, media_id: str, address: str) -> None:
        session = self._sessions.get(media_id)
        if session is None:
            return  # failed or stopped meanwhile
        try:
            sockets = MediaSockets.open(address, self._ports, self._token_bytes)
        except OperationFailed as error:
            if is_ours(address):
                self._post(MediaFailed(media_id, error.failure))
            else:
                _log.warning("media session %s stays where it is: %s", media_id, error.failure.reason)
            return
        for old, on_rtcp in ((session.sockets.rtp, False), (session.sockets.rtcp, True)):
            self._guarded(session, _receive_all, old, session, on_rtcp)  # what had arrived there is heard
            if media_id not in self._sessions:
                sockets.close()
                return
        self._deafen(session)
        session.rebind(sockets)
        self._listen_to(session)
        self._post(MediaOpened(media_id, address, sockets.rtp_port, sockets.rtcp_port, self._certificate.fingerprint))

    def _listen_to(self, session: MediaSession) -> None:
        self._selector.register(session.sockets.rtp, selectors.EVENT_READ, (session, False))
        self._selector.register(session.sockets.rtcp, selectors.EVENT_READ, (session, True))

    def _deafen(self, session: MediaSession) -> None:
        self._selector.unregister(session.sockets.rtp)
        self._selector.unregister(session.sockets.rtcp)

    def _fail(self, session: MediaSession, failure: Failure) -> None:
        try:
            if session.started:
                self._failed[session.media_id] = session.report()
        except Exception:  # noqa: BLE001 - what failed may fail again when it is asked
            _log.exception("media session %s has nothing to report", session.media_id)
            self._failed[session.media_id] = MediaReport()
        self._remove(session)
        try:
            session.release()
        except Exception:  # noqa: BLE001 - an endpoint that does not even stop
            _log.exception("media session %s did not let go", session.media_id)
        self._post(MediaFailed(session.media_id, failure))

    def _stop(self, media_id: str) -> None:
        failed = self._failed.pop(media_id, None)
        if failed is not None:
            self._post(MediaReported(media_id, failed, final=True))
        session = self._sessions.get(media_id)
        if session is not None:
            self._remove(session)
            session.stop(time.monotonic())

    def _remove(self, session: MediaSession) -> None:
        del self._sessions[session.media_id]
        self._deafen(session)

    def _end(self) -> None:
        for media_id in list(self._sessions):
            try:
                self._stop(media_id)
            except Exception:  # noqa: BLE001 - the others are to be stopped all the same
                _log.exception("media session %s did not stop", media_id)
        self._ending = True


def _raise(error: Exception) -> None:
    raise error


def _receive(at: object, session: MediaSession, on_rtcp: bool) -> bool:
    """One datagram; False where there is none."""
    assert isinstance(at, socket.socket)
    try:
        data, source, moment = arrival.receive(at)
    except BlockingIOError:
        return False
    except OSError:  # Windows reports an ICMP error of an earlier send here
        return True
    session.receive(data, source, moment, on_rtcp)
    return True


def _receive_all(at: object, session: MediaSession, on_rtcp: bool) -> None:
    for _ in range(_DATAGRAMS_AT_ONCE):
        if not _receive(at, session, on_rtcp):
            return
