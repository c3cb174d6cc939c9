"""Loaded by pytest before any other plugin: `softphone` must be imported before the first use of OpenSSL.

Why: the TLS 1.3 suites that OpenSSL offers can be restricted only by a configuration that it reads at its first use.
pytest itself imports hashlib, which is such a use, before it loads any plugin. So the tests start themselves once
more with the configuration in the environment; `softphone` takes the variable away again.
"""

import os
import sys

from softphone.tls_environment import find_openssl_configuration

_STARTED_AGAIN = "SOFTPHONE_TESTS_STARTED_AGAIN"

if os.environ.get("PYTEST_XDIST_WORKER"):
    pass  # started with the configuration (tests/two_workers.py)
elif os.environ.pop(_STARTED_AGAIN, None) is None:
    os.environ[_STARTED_AGAIN] = "yes"
    os.environ["OPENSSL_CONF"] = str(find_openssl_configuration())
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
