"""A command with an engine of its own holds passwords and keys like the engine's process."""

import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, ctypes, resource
from softphone.app import Application
from softphone.cli.phone_access import PhoneRequest
from softphone.sound import AudioChoice, AudioKind
from softphone.storage.settings import Settings

async def main():
    request = PhoneRequest(Settings(), {}, None, AudioChoice(AudioKind.NULL), None)
    async with Application().own_phone(request):
        print(resource.getrlimit(resource.RLIMIT_CORE)[0], ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_a_command_with_its_own_engine_leaves_no_core_dump() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["0", "0"]
