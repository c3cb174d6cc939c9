"""Loaded by pytest before any other plugin: `softphone` must be imported before the first `import ssl`.

Why: the TLS 1.3 suites that OpenSSL offers can be restricted only by a configuration read at that import.
"""

import softphone  # noqa: F401
