"""The rig's fixtures for the benchmarks too."""

from tests.peers.conftest import ca

__all__ = ["ca"]
