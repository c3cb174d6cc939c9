"""How much of a SIP message is read before it is refused, each number with its reason.

Owns: the numbers. RFC 3261 sets none; without them a peer decides how much memory and time it costs us.
"""

from __future__ import annotations

# A call through ten proxies with Record-Route, a certificate-signed Identity and long challenges stays under 16 KiB;
# four times that still fits one read of a flow.
MAX_HEADER_BLOCK = 64 * 1024  # octets, start line and header fields together

# SDP with every codec, suite and ICE candidate is about 10 KiB; PIDF and multipart with a picture stay under this.
MAX_BODY = 256 * 1024  # octets

# Identity (RFC 8224) and Authorization with a token (RFC 8898) are the longest real lines, about 4 KiB.
MAX_LINE_LENGTH = 16 * 1024  # characters of one header field after unfolding

# RFC 3261 lets Max-Forwards 70 add 70 Via and 70 Record-Route lines; the rest is far fewer.
MAX_HEADER_FIELDS = 256

# The same 70 hops may come in one comma-separated line.
MAX_VALUES = 256

# The longest parameter lists (Contact with RFC 3840 feature tags) have about 30.
MAX_PARAMETERS = 64

# RFC 3261 names no length; this is what browsers and SBCs take for a URI, and Referred-By or Replaces inside it fit.
MAX_URI_LENGTH = 4096  # characters

# RFC 1035 §2.3.4.
MAX_HOST_LENGTH = 255

# A comment inside a comment inside a comment was never seen; recursion is nobody's need.
MAX_COMMENT_NESTING = 8

# RFC 3261 §8.1.1.5: the sequence number is less than 2**31.
MAX_CSEQ = 2**31 - 1

# RFC 3261 §20.19: delta-seconds up to 2**32 - 1; larger ones count as that.
MAX_DELTA_SECONDS = 2**32 - 1

# RFC 3261 §20.22.
MAX_MAX_FORWARDS = 255

# A proxy chain that asks for the credentials of more realms than this is not a chain that a phone is behind.
MAX_CHALLENGES = 16  # challenges read in one response
MAX_REMEMBERED_REALMS = 16  # nonces kept for requests to come
