"""A front end without a screen, run as a process: the window's link, its items as JSON lines in a file.

Commands come as lines of the link's own JSON on stdin. It lives until the engine ends or it is killed.
"""

import argparse
import io
import json
import threading
from pathlib import Path
from typing import Any

from softphone.engine.link.codec import COMMANDS
from softphone.engine.link.place import LinkForm, LinkPlace
from softphone.engine.link.window_link import (
    EngineBack,
    EngineLost,
    EngineUnavailable,
    EventReceived,
    LinkItem,
    StateReceived,
)
from softphone.engine.process.spawn import engine_start
from softphone.engine.process.window_engine import window_link
from softphone.state import AppState
from softphone.storage.profile import Profile


def told(state: AppState) -> dict[str, Any]:
    return {
        "accounts": {account.id: account.state.value for account in state.accounts},
        "calls": {call.id: call.phase.value for call in state.calls},
        "recent": {
            call.id: call.ended.failure.kind.value if call.ended and call.ended.failure else None
            for call in state.recent
        },
        "sent": {call.id: call.report.rtp_sent for call in (*state.calls, *state.recent) if call.report},
        "lost": {call.id: call.report.lost for call in (*state.calls, *state.recent) if call.report},
    }


def line(item: LinkItem) -> dict[str, Any]:
    match item:
        case StateReceived(state=state):
            return {"item": "state", **told(state)}
        case EventReceived(event=event, state=state):
            return {"item": type(event).__name__, **told(state)}
        case EngineLost(reason=reason):
            return {"item": "lost", "reason": reason}
        case EngineBack():
            return {"item": "back"}
        case EngineUnavailable(failure=failure):
            return {"item": "unavailable", "reason": failure.reason}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("items", type=Path)
    parser.add_argument("form", type=LinkForm)
    parser.add_argument("options", nargs="*")
    given = parser.parse_args()
    profile = Profile(given.directory, given.directory, given.directory / "run")
    place = LinkPlace(profile.runtime, given.form)
    woken = threading.Event()
    over = threading.Event()

    def another() -> None:
        over.set()
        woken.set()

    link = window_link(engine_start(profile, *given.options, place=place), woken.set, another)
    with given.items.open("a", encoding="utf-8") as items:

        def say(words: dict[str, Any]) -> None:
            items.write(json.dumps(words) + "\n")
            items.flush()

        def commands() -> None:
            for words in io.FileIO(0, closefd=False):  # unbuffered: a buffer's lock would be held at the end
                link.submit(COMMANDS.decode(words).value)

        link.start()
        threading.Thread(target=commands, daemon=True).start()
        while True:
            woken.wait()
            woken.clear()
            if over.is_set():
                say({"item": "another-window"})
                return
            for item in link.take():
                say(line(item))
                if isinstance(item, EventReceived) and type(item.event).__name__ == "EngineEnding":
                    return


if __name__ == "__main__":
    main()
