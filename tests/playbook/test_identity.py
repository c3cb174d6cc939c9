"""Who calls and who is at the other end: RFC 3323, 3325, 4916, 5806, 7044 and Remote-Party-ID, from their own flows."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from softphone.sip.header_values import from_addr, parse_name_addr
from softphone.sip.message import Request
from softphone.ua.account import Account
from softphone.ua.commands import AddAccount, Answer, Dial, HangUp, Hold
from softphone.ua.events import CallerIdentity, IncomingCall, Party, RemoteIdentityChanged
from tests.playbook.stage import BOB, CHALLENGE, PROXY_CHALLENGE, Stage, their_session

Headers = list[tuple[str, str]]


@pytest.fixture
def stage() -> Stage:
    return Stage().registered()


def identity(stage: Stage, *headers: tuple[str, str]) -> CallerIdentity:
    stage.rings(None, *headers)
    return stage.of(IncomingCall)[-1].identity


# Who calls


@pytest.mark.parametrize(
    ("headers", "asserted"),
    [
        ([("P-Asserted-Identity", '"Cullen" <sip:fluffy@cisco.com>')], ("sip:fluffy@cisco.com", "Cullen")),
        ([("P-Asserted-Identity", "tel:+14085264000")], ("tel:+14085264000", "")),
        ([("P-Asserted-Identity", '<tel:+14085264000>, "C" <sip:fluffy@cisco.com>')], ("sip:fluffy@cisco.com", "C")),
        (
            [("P-Asserted-Identity", "<tel:+14085264000>"), ("P-Asserted-Identity", "<sip:fluffy@cisco.com>")],
            ("sip:fluffy@cisco.com", ""),
        ),
        ([("Remote-Party-ID", '"J" <sip:john@a.test>;party=calling;screen=yes')], ("sip:john@a.test", "J")),
        ([("Remote-Party-ID", "<sip:john@a.test>;screen=yes")], ("sip:john@a.test", "")),
        (
            [("P-Asserted-Identity", "<sip:pai@a.test>"), ("Remote-Party-ID", "<sip:rpid@a.test>;screen=yes")],
            ("sip:pai@a.test", ""),
        ),
    ],
)  # fmt: skip
def test_what_the_server_vouches_for(stage: Stage, headers: Headers, asserted: tuple[str, str]) -> None:
    assert identity(stage, *headers).asserted == Party(*asserted)
    assert stage.of(IncomingCall)[0].remote == Party("sip:bob@lab.test", "Bob")  # both are told


@pytest.mark.parametrize(
    "headers",
    [
        [("Remote-Party-ID", "<sip:john@a.test>;party=calling;screen=no")],
        [("Remote-Party-ID", "<sip:john@a.test>;party=calling")],
        [("Remote-Party-ID", "<sip:john@a.test>;party=called;screen=yes")],
        [("P-Preferred-Identity", "<sip:john@a.test>")],
        [("P-Asserted-Identity", "")],
        [("P-Asserted-Identity", "<https://john.test>")],
        [("P-Asserted-Identity", "<sip:john@a.test")],
        [("P-Asserted-Identity", '"open')],
    ],
)
def test_what_nobody_vouches_for(stage: Stage, headers: Headers) -> None:
    assert identity(stage, *headers).asserted is None


# The last figure of RFC 7044 Appendix B.1 as the last phone sees it, and RFC 5806 §10's first.
HISTORY = [
    ("History-Info", "<sip:bob@example.com>;index=1"),
    ("History-Info", "<sip:bob@192.0.2.4?Reason=SIP%3Bcause%3D302>;index=1.1;rc=1"),
    ("History-Info", "<sip:office@example.com>;index=1.2;mp=1"),
    ("History-Info", "<sip:office@192.0.2.5?Reason=SIP%3Bcause%3D480>;index=1.2.1;rc=1.2"),
    ("History-Info", "<sip:home@example.com>;index=1.3;mp=1"),
]


@pytest.mark.parametrize(
    ("headers", "diversions"),
    [
        (
            [("Diversion", "<sip:UserB1@there.com>;reason=user-busy;privacy=off;counter=1")],
            [("sip:UserB1@there.com", "busy")],
        ),
        (
            [("Diversion", '<sip:c@a.test>;reason="no-answer"'), ("Diversion", "<sip:b@a.test>;reason=unconditional")],
            [("sip:c@a.test", "no-answer"), ("sip:b@a.test", "unconditional")],
        ),
        ([("Diversion", "<tel:+4930>;reason=something-else")], [("tel:+4930", "")]),
        ([("Diversion", "<sip:b@a.test>;reason=away;privacy=full")], [("sip:anonymous@anonymous.invalid", "away")]),
        (
            HISTORY,
            [("sip:bob@example.com", "unavailable"), ("sip:bob@example.com", "unconditional")],
        ),
        (
            [  # RFC 7544 §7.2: the cause stands at the new target
                ("History-Info", "<sip:alice@a.test>;index=1"),
                ("History-Info", "<sip:bob@a.test;cause=486>;index=1.1;mp=1"),
                ("History-Info", "<sip:carol@a.test;cause=408>;index=1.1.1;mp=1.1"),
            ],
            [("sip:bob@a.test", "no-answer"), ("sip:alice@a.test", "busy")],
        ),
        ([("History-Info", "<sip:alice@a.test>;index=1, <sip:alice@192.0.2.7>;index=1.1;rc=1")], []),
        ([("History-Info", "<sip:a@a.test?Reason=%FF>;index=1, <sip:b@a.test>;index=.,;<>")], []),
    ],
)  # fmt: skip
def test_the_stations_of_a_call_the_latest_first(
    stage: Stage, headers: Headers, diversions: list[tuple[str, str]]
) -> None:
    assert [(d.party.uri, d.reason) for d in identity(stage, *headers).diversions] == diversions


@pytest.mark.parametrize("name", ["P-Asserted-Identity", "Remote-Party-ID", "Diversion", "History-Info", "Privacy"])
def test_hostile_fields_neither_stop_a_call_nor_take_time(name: str) -> None:
    for value in (
        "<sip:a@a.test>," * 250 + "<sip:a@a.test>",
        '"' * 15000,
        "<" * 15000,
        "\\" * 15000,
        ";" * 15000,
        "<sip:a@a.test>" + ";a=b" * 3000,
        "<sip:a@a.test>;index=" + "1." * 7000,
        "<sip:a@a.test;cause=" + "4" * 9000 + ">",
        "\xff\xfe" * 5000,
        "(" * 9000,
    ):
        stage = Stage().registered()
        began = time.monotonic()
        stage.rings(None, (name, value))
        assert time.monotonic() - began < 0.5
        assert len(stage.of(IncomingCall)) == 1
        assert len(stage.of(IncomingCall)[0].identity.diversions) <= 10


def test_a_long_name_is_cut(stage: Stage) -> None:
    asserted = identity(stage, ("P-Asserted-Identity", f'"{"n" * 9000}" <sip:{"u" * 3000}@a.test>')).asserted
    assert asserted is not None
    assert (len(asserted.display_name), len(asserted.uri)) == (256, 1024)


# Our own calls


def hidden(stage: Stage) -> Account:
    return replace(stage.account, hide_identity=True, display_name='Alice "A" L.')


def says_who(request: Request) -> list[str]:
    """What in a request names the account, credentials apart: they are for the server, which takes them out."""
    text = request.to_bytes().decode()
    lines = text.split("\r\n")
    taken_out = "Proxy-Authorization" if request.method == "INVITE" else "nothing"
    return [line for line in lines if "alice" in line.casefold() and not line.startswith(taken_out)]


@pytest.mark.parametrize("by_call", [True, False])
def test_a_call_that_hides_who_calls(by_call: bool) -> None:
    """RFC 3323 §4.1, RFC 3325 §6: anonymous From and Contact; the server is told who it is, and to keep it."""
    stage = Stage().registered()
    if by_call:
        stage.do(AddAccount(replace(hidden(stage), hide_identity=False)))
    else:
        stage.do(AddAccount(hidden(stage)))
    stage.do(Dial("c", "bob", hide_identity=True if by_call else None))
    invite = stage.last("INVITE")
    assert from_addr(invite).display_name == "Anonymous"
    assert str(from_addr(invite).uri) == "sip:anonymous@anonymous.invalid"
    assert invite.headers.get("Privacy") == "id"
    preferred = parse_name_addr(invite.headers.get("P-Preferred-Identity") or "")
    assert (str(preferred.uri), preferred.display_name) == ("sip:alice@lab.test", 'Alice "A" L.')
    assert [line.partition(":")[0] for line in says_who(invite)] == ["P-Preferred-Identity"]


def test_the_registrar_s_credentials_do_not_tell_the_other_side_who_calls() -> None:
    """A proxy passes on Authorization, which it has not asked for (RFC 3261 §22.3)."""
    stage = Stage().start()
    stage.reply(stage.last("REGISTER"), 401, CHALLENGE)
    stage.reply(stage.last("REGISTER"), 200, ("Contact", stage.contact + ";expires=3600"))
    assert stage.dial().headers.get("Authorization") is not None
    stage.do(Dial("hidden", "bob", hide_identity=True))
    hidden = stage.last("INVITE")
    assert hidden.headers.get("Authorization") is None
    stage.reply(hidden, 401, CHALLENGE)  # a server that answers itself, and asks
    assert 'username="alice"' in (stage.last("INVITE").headers.get("Authorization") or "")


def test_hides_in_every_request_of_the_call(stage: Stage) -> None:
    """A server may assert an identity for each of them."""
    theirs = their_session()
    stage.do(Dial("c", "bob", hide_identity=True))
    invite = stage.last("INVITE")
    stage.reply(invite, 407, PROXY_CHALLENGE)
    invite = stage.last("INVITE")
    assert invite.headers.get("Privacy") == "id"
    theirs.receive_offer(invite.body)
    stage.reply(invite, 200, BOB, body=theirs.create_answer())
    assert says_who(stage.last("ACK")) == []
    stage.do(Hold("c"))
    change = stage.last("INVITE")
    theirs.receive_offer(change.body)
    stage.reply(change, 200, BOB, body=theirs.create_answer())
    stage.do(HangUp("c"))
    for request in (change, stage.last("BYE")):
        assert request.headers.get("Privacy") == "id"
        assert says_who(request) == []
        assert request.headers.get("Proxy-Authorization") is None  # proxies let these pass, unless they ask


def test_a_call_may_show_who_calls_though_the_account_hides_it(stage: Stage) -> None:
    stage.do(AddAccount(hidden(stage)))
    stage.do(Dial("c", "bob", hide_identity=False))
    invite = stage.last("INVITE")
    assert (from_addr(invite).display_name, invite.headers.get("Privacy")) == ('Alice "A" L.', None)
    assert invite.headers.get("P-Preferred-Identity") is None


# Connected line


def changes(stage: Stage) -> list[tuple[str, str, bool]]:
    return [(e.remote.uri, e.remote.display_name, e.asserted) for e in stage.of(RemoteIdentityChanged)]


def test_who_answers_is_told(stage: Stage) -> None:
    theirs = their_session()
    invite = stage.dial("reception")
    theirs.receive_offer(invite.body)
    stage.reply(invite, 180, BOB, ("P-Asserted-Identity", '"Reception" <sip:reception@lab.test>'))
    stage.reply(invite, 200, BOB, ("P-Asserted-Identity", '"Bob" <sip:bob@lab.test>'), body=theirs.create_answer())
    assert changes(stage) == [
        ("sip:reception@lab.test", "Reception", True),
        ("sip:bob@lab.test", "Bob", True),
    ]


def test_what_another_branch_of_a_fork_said_holds_no_more(stage: Stage) -> None:
    theirs = their_session()
    invite = stage.dial("reception")
    theirs.receive_offer(invite.body)
    stage.reply(invite, 180, BOB, ("P-Asserted-Identity", "<sip:carol@lab.test>"), to_tag="carol")
    stage.reply(invite, 200, BOB, body=theirs.create_answer(), to_tag="bob")
    stage.reply(invite, 180, BOB, ("P-Asserted-Identity", "<sip:carol@lab.test>"), to_tag="carol")
    assert changes(stage) == [("sip:carol@lab.test", "", True), ("sip:reception@lab.test", "", False)]


def test_the_same_said_twice_is_told_once(stage: Stage) -> None:
    theirs = their_session()
    invite = stage.dial()
    theirs.receive_offer(invite.body)
    for status, body in ((180, b""), (183, b""), (200, theirs.create_answer())):
        stage.reply(
            invite, status, BOB, ("Remote-Party-ID", '"B" <sip:bob@lab.test>;party=called;screen=yes'), body=body
        )
    assert changes(stage) == [("sip:bob@lab.test", "B", True)]


def test_a_changed_from_within_the_call_is_taken_and_answered_to(stage: Stage) -> None:
    """RFC 4916 §5.1: B has transferred, and Carol's re-INVITE says so in From."""
    invite, theirs = stage.in_call()
    assert "from-change" in (invite.headers.get("Supported") or "")
    change = stage.from_callee(invite, "INVITE", 2, theirs.create_offer())
    stage.say(change.replace(b"Bob <sip:bob@lab.test>", b"Carol <sip:carol@lab.test>"))
    assert stage.heard() == ["200 to INVITE"]
    assert "from-change" in (stage.last_response(200).headers.get("Supported") or "")
    assert changes(stage) == [("sip:carol@lab.test", "Carol", False)]
    stage.say(stage.from_callee(invite, "ACK", 2))
    stage.do(HangUp("c"))
    assert (stage.last("BYE").headers.get("To") or "").startswith('"Carol" <sip:carol@lab.test>')


def test_a_name_that_nobody_vouches_for_never_replaces_one_that_is(stage: Stage) -> None:
    theirs = their_session()
    call = stage.rings(theirs, ("P-Asserted-Identity", '"Bob" <sip:bob@lab.test>'))
    stage.do(Answer(call))
    stage.say(stage.in_dialog("ACK", 1))
    theirs.receive_answer(stage.last_response(200).body)
    change = stage.in_dialog("INVITE", 2, body=theirs.create_offer())
    stage.say(change.replace(b"Bob <sip:bob@lab.test>", b"The Boss <sip:boss@lab.test>"))
    assert changes(stage) == []
    stage.say(stage.in_dialog("ACK", 2))
    theirs.receive_answer(stage.last_response(200).body)
    asserted = ("P-Asserted-Identity", '"Carol" <sip:carol@lab.test>')
    stage.say(stage.in_dialog("INVITE", 3, asserted, body=theirs.create_offer()))
    assert changes(stage) == [("sip:carol@lab.test", "Carol", True)]


def test_an_update_changes_the_line_too(stage: Stage) -> None:
    invite, _ = stage.in_call()
    body = stage.from_callee(invite, "UPDATE", 2)
    header = b'P-Asserted-Identity: "Carol" <sip:carol@lab.test>\r\nContent-Length:'
    stage.say(body.replace(b"Content-Length:", header))
    assert stage.heard() == ["200 to UPDATE"]
    assert changes(stage) == [("sip:carol@lab.test", "Carol", True)]


def test_a_plain_call_has_no_identity_but_its_from() -> None:
    assert identity(Stage().registered()) == CallerIdentity()
