"""The engine's end of the link: who breaks a rule is dropped alone, and nobody makes the engine wait."""

import asyncio
import os
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from softphone.engine.link import server as link_server
from softphone.engine.link.codec import COMMANDS
from softphone.engine.link.connection import attach
from softphone.engine.link.failures import AnotherWindow, LinkBroken, LinkEnding, LinkRefused
from softphone.engine.link.frames import MAX_INWARD, frame
from softphone.engine.link.greeting import FrontEndKind
from softphone.engine.link.place import LinkForm, LinkPlace, LoopbackAddress
from softphone.errors import Failure, FailureKind
from softphone.messages import ChangeMediaSettings, MediaSettings, Noticed, RaiseWindow, SignIn, SignOut
from softphone.policy.secret import Secret
from softphone.state import AppState
from softphone.ua.commands import Dial, HangUp
from tests.engine.link.linked import Linked, hello, is_closed, linked
from tests.peers.process import until

NOTICE = Noticed(Failure(FailureKind.POLICY, "No.", "Do."))


@pytest.fixture(params=list(LinkForm), ids=lambda form: form.value)
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Linked]:
    with linked(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def unix(tmp_path: Path) -> Iterator[Linked]:
    with linked(tmp_path, LinkForm.UNIX, greeting_within=0.3) as made:
        yield made


def test_who_attaches_gets_everything_and_then_what_happens(link: Linked) -> None:
    link.state = AppState(notices=(NOTICE.failure,))
    front_end = link.attach(FrontEndKind.WINDOW)
    assert front_end.state == link.state
    link.publish(NOTICE, at=12.25)
    (envelope,) = front_end.read()
    assert (envelope.value, envelope.at) == (NOTICE, 12.25)
    front_end.send(Dial("1", "bob"))
    front_end.send(SignIn("a", "u", "d", Secret("pw")))
    assert link.until_said(2) == [Dial("1", "bob"), SignIn("a", "u", "d", Secret("pw"))]
    front_end.close()
    until(lambda: link.life == ["+window", "-window"], "the window to have left")


def test_several_front_ends_hear_the_same(link: Linked) -> None:
    front_ends = [link.attach() for _ in range(5)]
    link.publish(NOTICE)
    for front_end in front_ends:
        assert [envelope.value for envelope in front_end.read()] == [NOTICE]
        front_end.close()


def test_a_second_window_raises_the_first_and_is_told_so(link: Linked) -> None:
    window = link.attach(FrontEndKind.WINDOW, only_window=True)
    with pytest.raises(AnotherWindow):
        link.attach(FrontEndKind.WINDOW, only_window=True, dial="sip:bob@example.org")
    assert link.said == [RaiseWindow("sip:bob@example.org")]
    link.attach(FrontEndKind.TOOL).close()
    assert [life for life in link.life if "window" in life] == ["+window"]
    window.close()


def test_another_version_is_refused_in_words(unix: Linked) -> None:
    with unix.raw() as connection:
        connection.sendall(hello(version="0-of-another-time"))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert b"Another version of the phone is running" in answer
    assert b"other-version" in answer
    assert unix.life == []


def test_the_front_end_reads_a_refusal(unix: Linked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softphone.engine.link.connection.VERSION", "0-of-another-time")
    with pytest.raises(LinkRefused) as refused:
        unix.attach()
    assert "Quit the running phone" in refused.value.failure.remedy


def test_an_ending_engine_takes_nobody(unix: Linked) -> None:
    unix.server.refuse_newcomers()
    with pytest.raises(LinkEnding):
        unix.attach()


def test_a_command_that_fails_ends_nothing(link: Linked) -> None:
    front_end = link.attach()
    front_end.send(Dial("1", "fail"))
    front_end.send(HangUp("1"))
    assert link.until_said(2) == [Dial("1", "fail"), HangUp("1")]
    front_end.close()


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x00\x00\x02{}",
        b"GET / HTTP/1.1\r\n\r\n",
        (1 << 30).to_bytes(4, "big") + b"x" * 1000,
        b"\xff" * 100_000,
        hello() * 2,
        b"\x00\x00\x00\x1b" + b'{"type":"Quit","body":null}',
    ],
    ids=["no envelope", "HTTP", "1 GB", "noise", "two greetings", "no body"],
)
def test_who_breaks_a_rule_is_dropped_alone(unix: Linked, said: bytes) -> None:
    other = unix.attach()
    with unix.raw() as connection:
        connection.sendall(said)
        data = b""
        try:
            while part := connection.recv(65536):
                data += part
        except ConnectionResetError:
            pass
    unix.publish(NOTICE)
    assert [envelope.value for envelope in other.read()] == [NOTICE]
    assert unix.said == []
    other.close()


def test_a_command_before_the_greeting_is_none(unix: Linked) -> None:
    front_end = unix.raw()
    front_end.sendall(frame(COMMANDS.encode(Dial("1", "bob")), MAX_INWARD) + hello())
    assert is_closed(front_end)
    front_end.close()
    assert unix.said == []


def test_a_gigabyte_gets_nowhere_and_the_memory_stays(unix: Linked) -> None:
    front_end = unix.attach()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    front_end.socket.sendall((1 << 30).to_bytes(4, "big"))
    sent = 0
    try:
        while sent < 1 << 30:
            sent += front_end.socket.send(b"x" * 65536)
    except OSError:
        pass
    assert sent < 4 * 1024 * 1024
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB
    front_end.close()


def test_who_says_its_greeting_octet_by_octet_is_let_go(unix: Linked) -> None:
    began = time.monotonic()
    with unix.raw() as connection:
        try:
            for octet in hello():
                connection.sendall(bytes([octet]))
                time.sleep(0.02)
        except OSError:
            pass
        assert time.monotonic() - began < 1.0
        assert is_closed(connection)
    assert unix.life == []


def test_who_does_not_read_is_dropped_and_the_others_hear_everything(
    unix: Linked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_server, "MAX_BACKLOG", 500_000)
    deaf, other = unix.attach(), unix.attach()
    long = Noticed(Failure(FailureKind.POLICY, "x" * 1000, ""))
    heard = 0
    slowest = 0.0
    for number in range(1, 21):
        began = time.monotonic()
        unix.publish(*[long] * 100)
        slowest = max(slowest, time.monotonic() - began)
        while heard < 100 * number:
            heard += len(other.read())
    assert heard == 2000
    assert slowest < 1.0
    until(lambda: unix.life.count("-tool") == 1, "the deaf one to be dropped")
    deaf.close()
    other.close()


def test_more_front_ends_than_there_are_places_for_are_turned_away(unix: Linked) -> None:
    attached = [unix.attach() for _ in range(link_server.MAX_FRONT_ENDS)]
    with unix.raw() as one_more:
        assert is_closed(one_more)
    attached.pop().close()
    until(lambda: "-tool" in unix.life, "a place")
    unix.attach().close()
    for front_end in attached:
        front_end.close()


def test_the_end_is_read_to_its_last_word_and_nothing_is_left(link: Linked) -> None:
    front_end = link.attach()
    link.publish(NOTICE)
    asyncio.run_coroutine_threadsafe(link.server.close(), link.loop).result(10)
    assert [envelope.value for envelope in front_end.read()] == [NOTICE]
    with pytest.raises(LinkBroken):
        front_end.read()
    front_end.close()
    assert list(link.place.runtime.iterdir()) == []
    assert attach(link.place, FrontEndKind.TOOL) is None


def test_what_a_dead_engine_left_is_no_engine(tmp_path: Path) -> None:
    place = LinkPlace(tmp_path / "run", LinkForm.UNIX)
    place.make()
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(place.socket_path))
    dead.close()
    assert place.socket_path.exists()
    assert attach(place, FrontEndKind.TOOL) is None
    with linked(tmp_path, LinkForm.UNIX) as link:
        link.attach().close()


def test_the_socket_is_ours_alone(unix: Linked) -> None:
    assert unix.place.socket_path.stat().st_mode & 0o777 == 0o600


def test_a_squatter_on_the_port_learns_one_random_number(tmp_path: Path) -> None:
    place = LinkPlace(tmp_path / "run", LinkForm.LOOPBACK)
    place.make()
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        token = os.urandom(32)
        place.write_address(LoopbackAddress(squatter.getsockname()[1], token))
        heard = bytearray()

        def squat() -> None:
            connection, _ = squatter.accept()
            with connection:
                connection.settimeout(5)
                connection.sendall(os.urandom(64))
                try:
                    while part := connection.recv(65536):
                        heard.extend(part)
                except OSError:
                    pass

        thread = threading.Thread(target=squat)
        thread.start()
        with pytest.raises(LinkBroken, match="not the phone's engine"):
            attach(place, FrontEndKind.WINDOW)
        thread.join(5)
    assert len(heard) == 32
    assert token not in heard


def test_a_squatter_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    place = LinkPlace(tmp_path / "run", LinkForm.LOOPBACK)
    place.make()
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        place.write_address(LoopbackAddress(squatter.getsockname()[1], os.urandom(32)))
        began = time.monotonic()
        with pytest.raises(LinkBroken):
            attach(place, FrontEndKind.WINDOW, within=0.3)
        assert time.monotonic() - began < 2.0


def test_on_the_port_only_who_knows_the_token_is_heard(tmp_path: Path) -> None:
    with linked(tmp_path, LinkForm.LOOPBACK, greeting_within=0.5) as link:
        address = link.place.read_address()
        assert address is not None
        for said in (hello(), os.urandom(64) + hello(), b"", os.urandom(32)):
            with socket.create_connection(("127.0.0.1", address.port)) as stranger:
                stranger.settimeout(5)
                stranger.sendall(said)
                heard = b""
                try:
                    while part := stranger.recv(65536):
                        heard += part
                except ConnectionResetError:
                    pass
                assert len(heard) <= 64
        assert (link.said, link.life) == ([], [])


def test_settings_views_and_nested_values_cross(link: Linked) -> None:
    front_end = link.attach()
    front_end.send(ChangeMediaSettings(MediaSettings()))
    front_end.send(SignOut("a"))
    assert link.until_said(2) == [ChangeMediaSettings(MediaSettings()), SignOut("a")]
    front_end.close()
