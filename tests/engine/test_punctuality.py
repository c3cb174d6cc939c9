"""The media thread asks the system to be punctual: what it is told is what it has, and a runaway loses it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.peers.phone import REPOSITORY
from tests.peers.process import PeerProcess, require

# A process of its own: what a program may is changed for good.
PROGRAM = """
import asyncio, json, os, resource, signal, sys, threading, time
from softphone.engine import punctuality

scheduler = {os.SCHED_OTHER: "other", os.SCHED_RR: "rr"}

def what_it_has(thread):
    return scheduler[os.sched_getscheduler(thread) & ~os.SCHED_RESET_ON_FORK]

def work(told):
    told["thread"] = threading.get_native_id()
    standing = told["standing"] = punctuality.be_punctual()
    deadline = time.monotonic() + 10
    while standing.given.value not in WANTED and time.monotonic() < deadline:
        time.sleep(0.01)
    told["given"], told["has"] = standing.given.value, what_it_has(told["thread"])
    told["nice"] = os.getpriority(os.PRIO_PROCESS, told["thread"])
    if RUN_AWAY:
        deadline = time.monotonic() + 20
        while what_it_has(told["thread"]) == "rr" and time.monotonic() < deadline:
            pass
        told["after"], told["given after"] = what_it_has(told["thread"]), standing.given.value

async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: None)  # as the engine does
    told = {}
    await asyncio.to_thread(work, told)
    del told["standing"]
    print(json.dumps(told))

if ALLOWED:
    punctuality.allow_punctual_threads()
if KILLED_AFTER_US:
    resource.setrlimit(resource.RLIMIT_RTTIME, (KILLED_AFTER_US, KILLED_AFTER_US))
for way in REFUSED:
    setattr(punctuality, way, lambda thread: False)
asyncio.run(main())
"""


def told(
    *wanted: str,
    allowed: bool = True,
    run_away: bool = False,
    refused: tuple[str, ...] = (),
    killed_after_us: int = 0,
    environment: dict[str, str] | None = None,
) -> dict[str, object]:
    """What a thread of a fresh process was given, once that is one of `wanted`."""
    head = (
        f"WANTED, ALLOWED, RUN_AWAY, REFUSED, KILLED_AFTER_US = "
        f"{wanted!r}, {allowed}, {run_away}, {refused!r}, {killed_after_us}\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", head + PROGRAM],
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the ways of Linux")


def test_a_program_that_carries_no_calls_stays_ordinary() -> None:
    thread = told("ordinary", allowed=False)
    assert (thread["given"], thread["has"]) == ("ordinary", "other")


@pytest.mark.root
def test_with_the_right_to_it_the_thread_is_real_time() -> None:
    thread = told("real-time")
    assert (thread["given"], thread["has"]) == ("real-time", "rr")


@pytest.mark.root
def test_a_thread_that_computes_without_end_is_an_ordinary_one_again_and_the_program_lives() -> None:
    thread = told("real-time", run_away=True)
    assert (thread["has"], thread["after"], thread["given after"]) == ("rr", "other", "ordinary")


@pytest.mark.root
def test_without_real_time_the_thread_gets_a_lower_nice_value(tmp_path: Path) -> None:
    nowhere = {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={tmp_path}/nobody"}
    thread = told("nice", refused=("_scheduled_by_ourselves",), environment=nowhere)
    assert (thread["given"], thread["has"], thread["nice"]) == ("nice", "other", -11)


@pytest.mark.root
def test_where_the_kernel_would_kill_a_busy_process_no_thread_is_real_time() -> None:
    thread = told("nice", run_away=True, killed_after_us=200_000)
    assert (thread["given"], thread["has"], thread["nice"]) == ("nice", "other", -11)


# RealtimeKit as its README has it.
REALTIME_KIT = """
import os, sys
from jeepney import HeaderFields, MessageType, new_error, new_method_return
from jeepney.bus_messages import message_bus
from jeepney.io.blocking import open_dbus_connection

bus = open_dbus_connection(sys.argv[1])
bus.send_and_get_reply(message_bus.RequestName("org.freedesktop.RealtimeKit1"))
print("ready", flush=True)
while True:
    message = bus.receive()
    if message.header.message_type is not MessageType.method_call:
        continue
    member = message.header.fields[HeaderFields.member]
    if member == "Get":
        bus.send(new_method_return(message, "v", (("i", -15),)))
    elif member == "MakeThreadHighPriority":
        thread, nice = message.body
        os.setpriority(os.PRIO_PROCESS, thread, nice)
        bus.send(new_method_return(message))
"""


@pytest.mark.root
def test_realtime_kit_is_asked_over_d_bus_where_the_process_may_nothing_itself(tmp_path: Path) -> None:
    require("dbus-daemon")
    address = f"unix:path={tmp_path}/bus"
    rules = tmp_path / "bus.conf"
    rules.write_text(
        f"<busconfig><type>system</type><listen>{address}</listen><auth>EXTERNAL</auth><policy context='default'>"
        "<allow user='*'/><allow own='*'/><allow send_destination='*'/><allow receive_sender='*'/></policy></busconfig>"
    )
    daemon = PeerProcess("dbus-daemon", ["dbus-daemon", f"--config-file={rules}", "--nofork"], log=tmp_path / "bus.log")
    try:
        daemon.until((tmp_path / "bus").exists, "its socket", 20)
        command = [sys.executable, "-c", REALTIME_KIT, address]
        kit = PeerProcess("realtime kit", command, log=tmp_path / "kit.log")
        try:
            kit.until(lambda: "ready" in (tmp_path / "kit.log").read_text(), "its name", 20)
            thread = told(
                "nice by RealtimeKit",
                refused=("_scheduled_by_ourselves", "_nicer_by_ourselves"),
                environment={"DBUS_SYSTEM_BUS_ADDRESS": address},
            )
        finally:
            kit.stop()
    finally:
        daemon.stop()
    assert (thread["given"], thread["has"]) == ("nice by RealtimeKit", "other")
    assert thread["nice"] == -11
