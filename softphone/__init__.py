"""A secure desktop softphone: SIP over TLS, voice over SRTP."""

__version__ = "0.1.0"
