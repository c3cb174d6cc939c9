"""Bounds of what is protected and opened, and of what a peer may make us keep."""

from __future__ import annotations

# Packets in octets, protected: the buffer of libsrtp's binding. Telephony stays far below.
MAX_PROTECTED_LENGTH = 1500
# Room that the binding wants behind a packet for tag, index and MKI.
MAX_RTP_LENGTH = MAX_PROTECTED_LENGTH - 144
MAX_RTCP_LENGTH = MAX_PROTECTED_LENGTH - 148
# Streams that one peer may open under one key: each costs memory for its replay window for the whole session.
MAX_SSRCS = 256
