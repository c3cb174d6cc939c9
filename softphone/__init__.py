"""A secure desktop softphone: SIP over TLS, voice over SRTP."""

from softphone.tls_environment import prepare as _prepare_tls_environment

__version__ = "0.1.0"

_prepare_tls_environment()  # before anything else of the package can import ssl
