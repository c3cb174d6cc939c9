"""A secure desktop softphone: SIP over TLS, voice over SRTP."""

import os as _os

from softphone.tls_environment import prepare as _prepare_tls_environment

__version__ = "0.1.0"

_prepare_tls_environment()  # before anything else of the package can import ssl

# numpy's linear algebra splits even products of 10 ms of sound among threads of its own, which then spin while they
# wait for more: that costs twice the time of one thread, and other processors besides. Read when numpy is imported.
for _variable in ("OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    _os.environ.setdefault(_variable, "1")
