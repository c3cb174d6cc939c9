"""The rig's fixtures for the benchmarks too."""

from tests.peers.conftest import ca, speech

__all__ = ["ca", "speech"]
