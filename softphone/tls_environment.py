"""The process's TLS environment: our OpenSSL configuration in, foreign ones out (security.md "context").

Owns: what happens between the start of the process and the first `import ssl`. OpenSSL reads its configuration once,
when it is first used (that may be `import hashlib` already), and CPython before 3.15 can restrict the TLS 1.3 suites in
no other way. So `softphone/__init__.py` runs this module before anything else of the package, and this is the one
module outside `engine/` that may import `ssl`.

Must not decide anything: whether the configuration took effect is checked on each context by
`engine/tls_context.py`, which refuses to go on if it did not.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# Key log, trust and configuration must not be steered by whoever can set a variable before the program starts.
IGNORED_VARIABLES = ("SSLKEYLOGFILE", "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENSSL_CONF")


def find_openssl_configuration() -> Path | None:
    """The `openssl.cnf` of a wheel or frozen program (`softphone/resources`), else of a checkout (`resources`)."""
    package = Path(__file__).resolve().parent
    roots = [package / "resources", package.parent / "resources"]
    frozen = getattr(sys, "_MEIPASS", None)  # PyInstaller's folder
    if frozen is not None:
        roots = [Path(frozen) / "softphone" / "resources", Path(frozen) / "resources"]
    for root in roots:
        candidate = root / "tls" / "openssl.cnf"
        if candidate.is_file():
            return candidate
    return None


def prepare() -> None:
    """Make OpenSSL read our configuration now, then leave none of these variables to this process or its children."""
    configuration = find_openssl_configuration()
    for name in IGNORED_VARIABLES:
        os.environ.pop(name, None)
    # Without our file, a name that does not exist keeps the system's out as well; contexts then fail closed.
    os.environ["OPENSSL_CONF"] = str(configuration) if configuration else str(Path(__file__).parent / "missing.cnf")
    try:
        import ssl

        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # the first context makes OpenSSL read the configuration
    finally:
        del os.environ["OPENSSL_CONF"]
