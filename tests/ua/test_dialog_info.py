"""dialog-info+xml: what it means, and that hostile XML costs nothing and reads nothing (RFC 4235 §4)."""

from __future__ import annotations

import pytest

from softphone.errors import RemoteProtocolError
from softphone.ua.dialog_info import (
    MAX_DEPTH,
    MAX_DIALOGS,
    MAX_DOCUMENT,
    DialogInfo,
    DialogPhase,
    DialogTable,
    LineDialog,
    Participant,
    parse_dialog_info,
)

NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
ROOT = f'<dialog-info xmlns="{NAMESPACE}" version="1" state="full" entity="sip:bob@example.com">'


def document(inner: str = "", root: str = ROOT, before: str = '<?xml version="1.0"?>') -> bytes:
    return f"{before}{root}{inner}</dialog-info>".encode()


# RFC 4235 §4.4, with everything that a document may say of one dialog.
EXAMPLE = document(
    """
  <dialog id="123456" call-id="a84b4c76e66710" local-tag="1928301774" remote-tag="456887766" direction="recipient">
    <state event="replaced" code="487">confirmed</state>
    <duration>274</duration>
    <replaces call-id="hg287s98s89" local-tag="6762h7" remote-tag="09278hsb"/>
    <referred-by display="Bob">sip:bob@example.com</referred-by>
    <local>
      <identity display="Alice">sip:alice@example.com</identity>
      <target uri="sip:alice@pc33.example.com">
        <param pname="+sip.rendering" pval="yes"/>
      </target>
    </local>
    <remote>
      <identity display="Bob &amp; Co">sip:bob@example.org</identity>
      <target uri="sip:bobster@phone21.example.org"/>
      <session-description type="application/sdp">v=0</session-description>
    </remote>
    <x:state xmlns:x="urn:other">early</x:state>
  </dialog>"""
)


def test_a_whole_document_is_read() -> None:
    assert parse_dialog_info(EXAMPLE) == DialogInfo(
        1,
        True,
        "sip:bob@example.com",
        (
            LineDialog(
                "123456",
                DialogPhase.CONFIRMED,
                True,
                "a84b4c76e66710",
                "1928301774",
                "456887766",
                Participant("sip:bob@example.org", "Bob & Co", "sip:bobster@phone21.example.org"),
            ),
        ),
    )


def test_a_line_without_dialogs_is_a_document() -> None:
    assert parse_dialog_info(document()).dialogs == ()
    assert parse_dialog_info(document(root=ROOT.replace("full", "partial"))).full is False


@pytest.mark.parametrize("name", ["dialog-info", "d:dialog-info"])
def test_a_prefix_is_as_good_as_a_default_namespace(name: str) -> None:
    prefix = "xmlns:d" if ":" in name else "xmlns"
    kind = name.replace("-info", "")
    text = (
        f'<{name} {prefix}="{NAMESPACE}" version="0" state="full" entity="e"><{kind} id="1">'
        f"<{kind.replace('dialog', 'state')}>early</{kind.replace('dialog', 'state')}></{kind}></{name}>"
    )
    assert parse_dialog_info(text.encode()).dialogs[0].phase is DialogPhase.EARLY


def test_an_address_that_is_none_does_not_cost_the_state() -> None:
    inner = '<dialog id="1"><state>early</state><remote><identity>not an address</identity></remote></dialog>'
    (dialog,) = parse_dialog_info(document(inner)).dialogs
    assert dialog.remote == Participant()
    assert dialog.rings


LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol">'
    + "".join(f'<!ENTITY lol{n} "{f"&lol{n - 1};" * 10}">' for n in range(1, 10)).replace("&lol0;", "&lol;")
    + "]>"
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd"> %p;]>'
SUBSET = '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/x.dtd">'
ONE = '<dialog id="1"><state>early</state></dialog>'


@pytest.mark.parametrize(
    "body",
    [
        document("<dialog id='1'><state>&lol9;</state></dialog>", before=LAUGHS),
        document("<dialog id='1'><state>&f;</state></dialog>", before=EXTERNAL),
        document(before=PARAMETER),
        document(before=SUBSET),
        document(before="<!DOCTYPE dialog-info>"),
        document("&unknown;"),
        document("<a>" * MAX_DEPTH + "</a>" * MAX_DEPTH),
        document("<a/>" * 5000),
        document("".join(f'<dialog id="{n}"><state>early</state></dialog>' for n in range(MAX_DIALOGS + 1))),
        document("x" * MAX_DOCUMENT),
        document(f'<dialog id="{"x" * 2000}"><state>early</state></dialog>'),
        document(f'<dialog id="1"><state>{"x" * 2000}</state></dialog>'),
        document('<dialog id="1"></dialog>'),
        document('<dialog id="1"><state>asleep</state></dialog>'),
        document("<dialog><state>early</state></dialog>"),
        document(root=ROOT.replace('version="1"', "")),
        document(root=ROOT.replace('version="1"', 'version="-1"')),
        document(root=ROOT.replace('version="1"', 'version="٣"')),
        document(root=ROOT.replace('version="1"', 'version="99999999999"')),
        document(root=ROOT.replace('state="full"', 'state="half"')),
        document(root=ROOT.replace(NAMESPACE, "urn:other")),
        document(root=ROOT.replace(f' xmlns="{NAMESPACE}"', "")),
        document(before='<?xml version="1.0" encoding="rot13"?>').replace(b"dialog", b"\xff\xfe"),
        b"",
        b"<presence/>",
        b"{}",
        document()[:-3],
        document() + b"<more/>",
    ],
)
def test_what_is_no_such_document_is_refused(body: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        parse_dialog_info(body)


def test_no_codec_is_looked_up_by_a_name_the_peer_chooses() -> None:
    """§4: dialog-info is UTF-8."""
    body = document(before='<?xml version="1.0" encoding="punycode"?>')
    assert parse_dialog_info(body).version == 1


def test_a_table_that_is_fed_without_end_stays_small() -> None:
    table = DialogTable()
    for version in range(500):
        dialogs = tuple(LineDialog(f"{version}-{n}", DialogPhase.CONFIRMED) for n in range(10))
        table.take(DialogInfo(version, version == 0, "", dialogs))
    assert len(table._dialogs) == MAX_DIALOGS
    assert table.talking is not None
