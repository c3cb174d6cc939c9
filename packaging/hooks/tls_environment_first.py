"""First runtime hook of the frozen program: our OpenSSL configuration, before anything can use OpenSSL.

The program's own hooks run before PyInstaller's, which may import hashlib or ssl. `import softphone` makes OpenSSL read
the bundled configuration whatever OPENSSL_CONF says; contexts refuse to work if it did not (engine/tls_context.py).
"""

import softphone  # noqa: F401
