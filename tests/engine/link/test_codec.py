"""The codec: every word comes back equal; a secret crosses inwards only; any octets give a value or an end."""

import dataclasses
import enum
import json
import time
import types
import typing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.engine.link import codec
from softphone.engine.link.codec import COMMANDS, EVENTS, NOT_FROM_OUTSIDE, Codec, SecretOutward, members
from softphone.engine.link.failures import LinkBroken
from softphone.engine.link.frames import MAX_OUTWARD
from softphone.engine.link.greeting import FrontEndKind, Hello, Welcome
from softphone.errors import Failure, FailureKind, LocalProtocolError
from softphone.messages import AnyCommand, AnyEvent, Noticed, Quit, SignIn
from softphone.policy.secret import Secret, SecretBytes
from softphone.sip.limits import MAX_URI_LENGTH
from softphone.state import MAX_MESSAGES, MAX_NOTICES, MAX_RECENT, AppState, CallDirection, CallPhase, CallView, reduce
from softphone.ua.account import Account, ServerTarget
from softphone.ua.commands import AddAccount, Dial, Shutdown
from softphone.ua.events import MessageReceived, Party
from softphone.ua.identity import MAX_DISPLAY_NAME
from softphone.ua.instant_messages import MAX_RECEIVED

PASSWORD = "a-password-of-nobody"


def values_of(kind: Any, full: bool) -> Any:
    """A value of the type: with everything that can be set, or with as little as possible."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        options = [part for part in arguments if part is not types.NoneType]
        return values_of(options[-1 if full else 0], full) if full or len(options) == len(arguments) else None
    if origin is tuple:
        return (values_of(arguments[0], full),) * (2 if full else 0)
    if kind is Secret:
        return Secret(PASSWORD)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return list(kind)[-1 if full else 0]
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        return kind(**{field.name: values_of(hints[field.name], full) for field in dataclasses.fields(kind)})  # type: ignore[operator]
    return {str: "ä \u2028 text" if full else "", int: 7 if full else 0, float: 2.5, bool: full}[kind]


ALL = [(codec_, kind) for codec_ in (COMMANDS, EVENTS) for kind in codec_.kinds.values()]


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(("direction", "kind"), ALL, ids=lambda value: getattr(value, "__name__", ""))
def test_every_word_comes_back_as_it_was(direction: Codec, kind: type[Any], full: bool) -> None:
    value = values_of(kind, full)
    envelope = direction.decode(direction.encode(value, 3.5))
    assert envelope.value == value
    assert envelope.at == 3.5


def test_the_registry_is_made_of_the_unions_and_what_is_left_out_is_named() -> None:
    assert set(COMMANDS.kinds.values()) == ({Hello, *members(AnyCommand)} - NOT_FROM_OUTSIDE)
    assert set(EVENTS.kinds.values()) >= set(members(AnyEvent))
    assert set(members(AnyCommand)) >= NOT_FROM_OUTSIDE
    names = [kind.__name__ for kind in (*members(AnyCommand), *members(AnyEvent))]
    assert len(set(names)) == len(names)


def test_a_password_crosses_inwards() -> None:
    given_ = SignIn("work", "alice", "example.org", Secret(PASSWORD))
    arrived = COMMANDS.decode(COMMANDS.encode(given_)).value
    assert arrived.password.reveal() == PASSWORD
    assert PASSWORD not in repr(arrived)


@pytest.mark.parametrize("kind", list(EVENTS.kinds.values()), ids=lambda kind: kind.__name__)
def test_nothing_outwards_can_hold_a_secret(kind: type[Any]) -> None:
    assert not codec.dataclasses_within(kind) & {Secret, SecretBytes}


@pytest.mark.parametrize("kind", list(EVENTS.kinds.values()), ids=lambda kind: kind.__name__)
def test_a_secret_in_any_field_of_anything_outwards_is_refused(kind: type[Any]) -> None:
    for field in dataclasses.fields(kind):
        for secret in (Secret(PASSWORD), SecretBytes(b"key"), (Secret(PASSWORD),), Party("x", Secret(PASSWORD))):  # type: ignore[arg-type]
            value = dataclasses.replace(values_of(kind, full=True), **{field.name: secret})
            with pytest.raises(SecretOutward) as refused:
                EVENTS.encode(value)
            assert PASSWORD not in str(refused.value)


def test_keys_cross_in_neither_direction() -> None:
    with pytest.raises(SecretOutward):
        COMMANDS.encode(Dial("1", SecretBytes(b"key")))  # type: ignore[arg-type]


def test_the_controllers_own_words_are_not_a_front_ends() -> None:
    """AddAccount brings its own media policy: whoever could say it would go round the settings and the policy."""
    for command in (AddAccount(Account("a", "u", "d", ServerTarget("d"))), Shutdown()):
        with pytest.raises(LocalProtocolError):
            COMMANDS.encode(command)
        said = json.dumps({"type": type(command).__name__, "body": {}}).encode()
        with pytest.raises(LinkBroken):
            COMMANDS.decode(said)


def test_an_event_is_no_command_and_a_command_no_event() -> None:
    with pytest.raises(LinkBroken):
        COMMANDS.decode(EVENTS.encode(Noticed(Failure(FailureKind.POLICY, "", ""))))
    with pytest.raises(LinkBroken):
        EVENTS.decode(COMMANDS.encode(Quit()))


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"null",
        b"[]",
        b'"Quit"',
        b"{}",
        b'{"type": "Quit"}',
        b'{"type": "Quit", "body": []}',
        b'{"type": "Quit", "body": {"more": 1}}',
        b'{"type": "Quit", "body": {}, "more": 1}',
        b'{"type": "Quit", "body": {}, "at": "now"}',
        b'{"type": 1, "body": {}}',
        b'{"type": "__class__", "body": {}}',
        b'{"type": "Dial", "body": {"call_id": "1"}}',
        b'{"type": "Dial", "body": {"call_id": 1, "target": "x"}}',
        b'{"type": "Decline", "body": {"call_id": "1", "status": "603"}}',
        b'{"type": "Decline", "body": {"call_id": "1", "status": 1e400}}',
        b'{"type": "Decline", "body": {"call_id": "1", "status": 6.5}}',
        b'{"type": "Dial", "body": {"call_id": "1", "target": "\xff"}}',
        b'{"type": "Dial", "body": {"call_id": "1", "target": "\\ud800"}}',
        b'{"type": "SignIn", "body": {"account_id": "", "user": "", "domain": "", "password": "a-password-of-nobody"}}',
        b"[" * 60_000,
        b'{"type":' * 8_000,
        b"9" * 60_000,
    ],
    ids=lambda said: said[:60].decode(errors="replace"),
)
def test_what_is_not_a_command_is_refused_without_a_word_of_it(said: bytes) -> None:
    began = time.perf_counter()
    with pytest.raises(LinkBroken) as refused:
        COMMANDS.decode(said)
    assert PASSWORD not in str(refused.value)
    assert time.perf_counter() - began < 0.5


@given(st.binary(max_size=300))
def test_any_octets_give_a_value_or_a_clean_end(said: bytes) -> None:
    for direction in (COMMANDS, EVENTS):
        try:
            direction.decode(said)
        except LinkBroken:
            continue


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(ALL), st.data())
def test_any_json_in_any_field_gives_a_value_or_a_clean_end(
    chosen: tuple[Codec, type[Any]], data: st.DataObject
) -> None:
    direction, kind = chosen
    body = json.loads(direction.encode(values_of(kind, full=True)))["body"]
    names = sorted(body) or ["x"]
    body[data.draw(st.sampled_from(names))] = data.draw(json_values)
    try:
        value = direction.decode(json.dumps({"type": kind.__name__, "body": body}).encode()).value
    except LinkBroken:
        return
    assert type(value) is kind


def test_octets_of_a_peer_that_were_no_text_reach_the_window_as_marks() -> None:
    name = b"Bj\xf6rn".decode("utf-8", "surrogateescape")
    call = CallView("1", "a", Party("sip:b@x", name), CallDirection.INCOMING, CallPhase.INCOMING, 1.0)
    arrived = EVENTS.decode(EVENTS.encode(Welcome(AppState(calls=(call,))))).value
    assert arrived.state.calls[0].remote.display_name == "Bj\ufffdrn"


def test_the_largest_state_fits_into_one_message() -> None:
    """A server that calls and calls under the longest names must not keep a window from attaching."""
    uri, name = "\U0001f600" * MAX_URI_LENGTH, '\U0001f600"' * (MAX_DISPLAY_NAME // 2)
    failure = Failure(FailureKind.REJECTED, "x" * 1000, "x" * 1000, ("x" * 500,) * 4)
    call = dataclasses.replace(
        values_of(CallView, full=True), remote=Party(uri, name), redirect_target=uri, notice=failure
    )
    state = AppState(calls=(call,) * 4, recent=(call,) * MAX_RECENT, notices=(failure,) * MAX_NOTICES)
    for number in range(MAX_MESSAGES):
        received = MessageReceived("a", str(number), Party(uri, name), "\x01" * MAX_RECEIVED)
        state = reduce(state, received, float(number))
    assert 0 < len(state.messages) < MAX_MESSAGES
    assert len(EVENTS.encode(Welcome(state))) < MAX_OUTWARD


def test_the_version_changes_with_every_shape() -> None:
    number, _, digest = codec.VERSION.partition("-")
    assert number == "1"
    assert len(digest) == 12
    assert "Deflect(call_id: CallId, target: str)" in codec._shapes()
    assert "FlowDescription(tls_version: str" in codec._shapes(), "what is within counts too"


def test_a_greeting_crosses() -> None:
    hello = Hello(codec.VERSION, FrontEndKind.WINDOW, only_window=True, dial="sip:a@b")
    assert COMMANDS.decode(COMMANDS.encode(hello)).value == hello
