"""The keyring behind a thread: nobody waits for a prompt, and what does not work is still told."""

import queue
import threading
import time

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import Secret
from softphone.storage.secrets import PasswordStore
from softphone.storage.unhurried_secrets import UnhurriedPasswordStore

LOCKED = Failure(FailureKind.STORAGE, "The keyring is locked.", "Unlock it.")


class PromptingStore(PasswordStore):
    """Asks a person before it writes: `answer` is what the person does."""

    def __init__(self) -> None:
        self.answered = threading.Event()
        self.locked = False
        self.done: list[str] = []

    def get(self, account: str) -> Secret | None:
        return Secret(f"of {account}")

    def set(self, account: str, password: Secret) -> None:
        self._write(f"set {account} {password.reveal()}")

    def delete(self, account: str) -> None:
        self._write(f"delete {account}")

    def _write(self, what: str) -> None:
        self.answered.wait(10)
        if self.locked:
            raise OperationFailed(LOCKED)
        self.done.append(what)


def test_writing_returns_at_once_and_is_done_in_order() -> None:
    store, notices = PromptingStore(), queue.SimpleQueue[Failure]()
    unhurried = UnhurriedPasswordStore(notices.put, store)
    began = time.monotonic()
    unhurried.set("alice", Secret("one"))
    unhurried.delete("alice")
    unhurried.set("alice", Secret("two"))
    assert time.monotonic() - began < 1.0
    assert store.done == []
    store.locked = False
    store.answered.set()
    deadline = time.monotonic() + 5
    while len(store.done) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert store.done == ["set alice one", "delete alice", "set alice two"]
    assert notices.empty()


def test_what_does_not_work_is_told() -> None:
    store, notices = PromptingStore(), queue.SimpleQueue[Failure]()
    store.locked = True
    store.answered.set()
    unhurried = UnhurriedPasswordStore(notices.put, store)
    unhurried.set("alice", Secret("one"))
    assert notices.get(timeout=5) == LOCKED
    unhurried.delete("alice")
    assert notices.get(timeout=5) == LOCKED, "the thread lives on"


def test_reading_gives_what_is_there() -> None:
    password = UnhurriedPasswordStore(lambda _: None, PromptingStore()).get("alice")
    assert password is not None
    assert password.reveal() == "of alice"
