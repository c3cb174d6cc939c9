from __future__ import annotations

import pytest

from softphone.sdp.media_lines import AudioLine, ProfileKind, read_audio_line, refused_line
from softphone.sdp.negotiated import Direction
from softphone.sdp.session import parse_session_description
from tests.sdp.descriptions import EVENT, SUITE_32, audio, body, crypto


def read(*lines: str, profile: str = "RTP/SAVP", connection: str = "IN IP4 198.51.100.7", port: int = 6000,
         formats: str = "0 8 101", session_lines: tuple[str, ...] = ()) -> AudioLine:  # fmt: skip
    description = body([*session_lines, *audio(profile, *lines, port=port, formats=formats)], connection=connection)
    return read_audio_line(parse_session_description(description), 0)


@pytest.mark.parametrize(
    ("profile", "kind"),
    [
        ("RTP/SAVP", ProfileKind.SAVP),
        ("RTP/SAVPF", ProfileKind.SAVP),
        ("RTP/AVP", ProfileKind.AVP),
        ("RTP/AVPF", ProfileKind.AVP),
        ("UDP/TLS/RTP/SAVP", ProfileKind.DTLS),
        ("UDP/TLS/RTP/SAVPF", ProfileKind.DTLS),
        ("udp", ProfileKind.OTHER),
        ("rtp/savp", ProfileKind.OTHER),
        ("TCP/RTP/SAVP", ProfileKind.OTHER),
    ],
)
def test_profiles_are_told_apart(profile: str, kind: ProfileKind) -> None:
    assert read(profile=profile).kind is kind


@pytest.mark.parametrize("direction", Direction)
def test_a_direction_of_the_media_level_comes_before_that_of_the_session_level(direction: Direction) -> None:
    assert read(f"a={direction.value}", session_lines=("a=inactive",)).direction is direction
    assert read(session_lines=(f"a={direction.value}",)).direction is direction


def test_without_a_direction_it_is_sendrecv() -> None:
    assert read().direction is Direction.SENDRECV


@pytest.mark.parametrize("connection", ["IN IP4 0.0.0.0", "IN IP6 ::"])
def test_the_old_hold_takes_receiving_away_and_wants_no_rtcp(connection: str) -> None:
    assert read(connection=connection).direction is Direction.SENDONLY
    assert read("a=recvonly", connection=connection).direction is Direction.INACTIVE
    assert read("a=sendonly", connection=connection).direction is Direction.SENDONLY
    assert read("a=rtcp:7000", connection=connection).rtcp_port == 0


@pytest.mark.parametrize(
    ("connection", "address"),
    [
        ("IN IP4 198.51.100.7", "198.51.100.7"),
        ("IN IP6 2001:DB8:0::7", "2001:db8::7"),
        ("IN IP4 127.0.0.1", "127.0.0.1"),
        ("IN IP4 224.2.1.1/127", None),
        ("IN IP4 224.2.1.1", None),
        ("IN IP6 ff02::1", None),
        ("IN IP4 255.255.255.255", None),
        ("IN IP4 pbx.example.com", None),
        ("IN IP4 2001:db8::7", None),
        ("IN IP6 198.51.100.7", None),
        ("IN IP6 fe80::1%eth0", None),
        ("IN IP4 198.51.100.07", None),
        ("ATM IP4 198.51.100.7", None),
    ],
)
def test_only_a_unicast_literal_is_an_address(connection: str, address: str | None) -> None:
    found = read(connection=connection).address
    assert (None if found is None else found.address) == address


def test_the_address_of_the_media_level_comes_first() -> None:
    line = read("c=IN IP4 203.0.113.9")
    assert line.address is not None
    assert line.address.address == "203.0.113.9"


@pytest.mark.parametrize(
    ("attribute", "port"),
    [
        ("a=rtcp:7001", 7001),
        ("a=rtcp:7001 IN IP4 198.51.100.7", 7001),
        ("a=rtcp:7001 IN IP4 203.0.113.9", 0),
        ("a=rtcp:70000", 0),
        ("a=rtcp:x", 0),
        ("a=rtcp:0", 0),
        ("a=other", 6001),
    ],
)
def test_the_rtcp_port_is_the_next_one_or_that_of_rfc_3605(attribute: str, port: int) -> None:
    assert read(attribute).rtcp_port == port


def test_the_last_port_has_no_next() -> None:
    assert read(port=65535).rtcp_port == 0


def test_formats_are_known_by_static_number_or_by_map_without_regard_to_case() -> None:
    line = read("a=rtpmap:97 pcmu/8000", "a=rtpmap:98 opus/48000/2", "a=fmtp:98 useinbandfec=1", *EVENT,
                formats="8 97 98 101 18 0")  # fmt: skip
    assert [(item.payload_type, *item.encoding) for item in line.formats] == [
        (8, "PCMA", 8000, 1),
        (97, "PCMU", 8000, 1),
        (98, "OPUS", 48000, 2),
        (101, "TELEPHONE-EVENT", 8000, 1),
        (0, "PCMU", 8000, 1),
    ]
    assert line.formats[2].parameters == "useinbandfec=1"
    assert line.formats[3].parameters == "0-15"


def test_what_cannot_be_a_payload_type_or_contradicts_a_static_one_is_left_out() -> None:
    line = read("a=rtpmap:72 PCMU/8000", "a=rtpmap:0 PCMA/8000", "a=rtpmap:200 PCMU/8000", "a=rtpmap:99 PCMU/",
                formats="72 0 200 99 abc 100 8 8")  # fmt: skip
    assert [item.payload_type for item in line.formats] == [8]


@pytest.mark.parametrize(
    ("attribute", "ptime"),
    [("a=ptime:30", 30), ("a=ptime:20.5", 20), ("a=ptime:0", None), ("a=ptime:x", None), ("a=ptime", None)],
)
def test_ptime_is_read_in_milliseconds(attribute: str, ptime: int | None) -> None:
    assert read(attribute).ptime == ptime


def test_an_invalid_crypto_line_is_passed_over_and_named_without_its_key() -> None:
    line = read(crypto(1, rest=" FUTURE"), crypto(2), "a=crypto:3 nonsense")
    assert [item.tag for item in line.crypto] == [2]
    assert line.crypto_lines == 3
    assert len(line.crypto_problems) == 2


def test_crypto_lines_that_share_a_tag_are_all_left_out() -> None:
    line = read(crypto(1), crypto(1, SUITE_32, 2), crypto(2, SUITE_32, 3))
    assert [item.tag for item in line.crypto] == [2]
    assert line.crypto_problems == ("crypto tag 1 is used twice",)


def test_crypto_at_session_level_is_not_heard() -> None:
    assert read(session_lines=(crypto(),)).crypto_lines == 0


def test_a_refused_line_keeps_type_and_profile_and_has_port_0() -> None:
    description = parse_session_description(body(["m=video 5000/2 RTP/SAVPF 96 97", "a=rtpmap:96 VP8/90000"]))
    refused = refused_line(description.media[0])
    assert (refused.media, refused.port, refused.protocol, refused.formats) == ("video", 0, "RTP/SAVPF", ("96",))
    assert not refused.attributes


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("a=rtcp-xr:voip-metrics", True),
        ("a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics", True),
        ("a=rtcp-xr:rcvr-rtt=all", False),
        ("a=rtcp-xr", False),
        ("a=rtcp-xr:no-voip-metrics", False),
    ],
)
def test_whether_the_peer_wants_voip_metrics_is_read(line: str, wanted: bool) -> None:
    """RFC 3611 §5.1."""
    assert read(line).voip_metrics is wanted
