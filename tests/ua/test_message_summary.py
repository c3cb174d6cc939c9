"""simple-message-summary: what it means, and what is none (RFC 3842 §5.2)."""

from __future__ import annotations

import pytest

from softphone.errors import RemoteProtocolError
from softphone.sip.uri import SipUri
from softphone.ua.message_waiting import MAX_SUMMARY, MessageSummary, parse_message_summary


@pytest.mark.parametrize(
    ("body", "summary"),
    [
        (b"Messages-Waiting: yes\r\n", MessageSummary(True)),
        (b"Messages-Waiting: no", MessageSummary(False)),
        (b"messages-waiting:YES\r\nvoice-message : 1 / 2 \r\n", MessageSummary(True, None, 1, 2)),
        (b"Messages-Waiting: yes\nVoice-Message: 0/0 (0/0)\n", MessageSummary(True, None, 0, 0)),
        (b"Messages-Waiting: yes\r\nFax-Message: 3/1\r\n", MessageSummary(True)),
        (
            b"Messages-Waiting: yes\r\nMessage-Account: sip:box@vmail.test\r\nVoice-Message: 4294967295/0\r\n",
            MessageSummary(True, SipUri("sip", "vmail.test", user="box"), 4294967295, 0),
        ),
        (b"Messages-Waiting: yes\r\n\r\nanything at all \xc3\xa4\r\n:::", MessageSummary(True)),
    ],
)
def test_a_summary_is_read(body: bytes, summary: MessageSummary) -> None:
    assert parse_message_summary(body) == summary


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\r\nMessages-Waiting: yes\r\n",
        b"Messages-Waiting: maybe\r\n",
        b"Voice-Message: 1/0\r\nMessages-Waiting: yes\r\n",
        b"Messages-Waiting: yes\r\nMessages-Waiting: no\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: -1/0\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 4294967296/0\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: 1/0 (1/0\r\n",
        b"Messages-Waiting: yes\r\nVoice-Message: \xd9\xa3/0\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: nobody\r\n",
        b"Messages-Waiting: yes\r\nMessage-Account: sip:a@b\x1b[2J\r\n",
        b"Messages-Waiting: yes\r\nno colon\r\n",
        b"Messages-Waiting: yes\r\nX: \xff\r\n",
        b"Messages-Waiting: yes\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(200)),
        b"Messages-Waiting: yes\r\nX: " + b"x" * MAX_SUMMARY,
    ],
)
def test_what_is_no_summary_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_message_summary(body)
