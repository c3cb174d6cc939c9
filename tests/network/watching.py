"""A program that prints a line whenever the network changes: `python -m tests.network.watching netlink|compare`."""

from __future__ import annotations

import asyncio
import sys
import time

from softphone.engine.network_watch import NetworkWatch, open_netlink


async def watch(how: str) -> None:
    def say(woke: bool) -> None:
        print(f"{time.time():.3f} {woke}", flush=True)

    noticing = NetworkWatch(say, netlink=open_netlink if how == "netlink" else lambda: None)
    noticing.start()
    print("watching", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(watch(sys.argv[1]))
