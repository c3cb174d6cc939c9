"""What bodies and headers of events a peer may send: any octets, and documents that are nearly right.

Run by `tests/ua/test_any_event.py`; for longer, `python -m tests.fuzz.event_bodies 20000`.
"""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from softphone.errors import RemoteProtocolError
from softphone.sip.event_headers import event_of, subscription_state_of
from softphone.sip.message import Headers, Request
from softphone.sip.uri import SipUri
from softphone.ua.dialog_info import DialogTable, parse_dialog_info
from softphone.ua.foreign_text import readable
from softphone.ua.message_waiting import parse_message_summary
from tests.fuzz.sip_messages import run

PIECES = (
    *(
        "<",
        ">",
        "/",
        "=",
        '"',
        "'",
        "&",
        ";",
        "<!",
        "<?",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "&#0;",
        "&#x202e;",
        "&lt;",
    ),
    *("<dialog-info", "</dialog-info>", "<dialog id='1'>", "</dialog>", "<state>", "early", "terminated", "</state>"),
    *(' xmlns="urn:ietf:params:xml:ns:dialog-info"', ' version="1"', ' state="full"', ' entity="sip:a@b"', "\x00", "ä"),
    *(
        "<remote><identity>",
        "sip:bob@lab.test",
        "</identity></remote>",
        "<!DOCTYPE x [",
        "<!ENTITY a 'b'>",
        "]>",
        "&a;",
    ),
)
ROOT = '<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="e">'
SUMMARY_PIECES = (
    *("Messages-Waiting", ":", " ", "yes", "no", "\r\n", "\n", "\r", "Message-Account", "sip:a@b", "Voice-Message"),
    *("1/2", "(0/0)", "(", "9" * 40, "-1", "\x00", "ä", "\u202e", "x" * 200),
)


def _joined(pieces: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(st.sampled_from(pieces), st.text(max_size=6)), max_size=40).map("".join)


def any_dialog_info_is_read_or_refused(body: bytes) -> None:
    try:
        info = parse_dialog_info(body)
    except RemoteProtocolError:
        return
    table = DialogTable()
    table.take(info)
    assert table.ringing is None or table.ringing.rings


def any_summary_is_read_or_refused(body: bytes) -> None:
    try:
        summary = parse_message_summary(body)
    except RemoteProtocolError:
        return
    for count in (summary.new, summary.old):
        assert count is None or 0 <= count < 2**32


def any_event_header_is_read_or_refused(text: str) -> None:
    for name, read in (("Event", event_of), ("Subscription-State", subscription_state_of)):
        try:
            read(Request("NOTIFY", SipUri("sip", "a"), Headers(((name, text),))))
        except RemoteProtocolError:
            continue


def any_text_is_shown_without_marks(text: str) -> None:
    shown = readable(text)
    assert readable(shown) == shown
    assert not set(shown) & set("\x00\x1b\r\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\ufeff")


octets = st.one_of(
    st.binary(max_size=200),
    _joined(PIECES).map(lambda text: text.encode("utf-8", "surrogatepass")),
    _joined(PIECES).map(lambda text: f"{ROOT}{text}</dialog-info>".encode("utf-8", "surrogatepass")),
)
summaries = st.one_of(
    st.binary(max_size=200),
    _joined(SUMMARY_PIECES).map(lambda text: text.encode("utf-8", "surrogatepass")),
    _joined(SUMMARY_PIECES).map(lambda text: f"Messages-Waiting: yes\r\n{text}".encode("utf-8", "surrogatepass")),
)
headers = _joined(
    ("active", "pending", "terminated", "dialog", ";", "=", "expires", "reason", "retry-after", '"', ",", "\\")
)
PROPERTIES = {
    given(body=octets)(any_dialog_info_is_read_or_refused): 400,
    given(body=summaries)(any_summary_is_read_or_refused): 300,
    given(text=headers)(any_event_header_is_read_or_refused): 200,
    given(text=st.text(max_size=100))(any_text_is_shown_without_marks): 200,
}  # by property the examples of a short run


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    for property_ in PROPERTIES:
        run(property_, count)
