"""The key of the recordings: made once, kept in the keyring only, refused where the keyring does not keep it."""

from __future__ import annotations

import base64
import threading
import time

import pytest

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import Secret
from softphone.storage.recording_key import ENTRY, RecordingKey
from softphone.storage.secrets import PasswordStore

LOCKED = Failure(FailureKind.STORAGE, "The keyring is locked.", "Unlock it, or type the password.")


class Store(PasswordStore):
    """A keyring in memory that may be locked, or forget."""

    def __init__(self, *, locked: bool = False, forgets: bool = False) -> None:
        self.entries: dict[str, Secret] = {}
        self.locked, self.forgets = locked, forgets

    def get(self, account: str) -> Secret | None:
        if self.locked:
            raise OperationFailed(LOCKED)
        return self.entries.get(account)

    def set(self, account: str, password: Secret) -> None:
        if not self.forgets:
            self.entries[account] = password


def test_a_key_is_made_once_and_is_the_same_from_then_on() -> None:
    store = Store()
    assert RecordingKey(store).read() is None
    made = RecordingKey(store).read_or_make()

    assert len(made) == 32
    assert list(store.entries) == [ENTRY]
    assert RecordingKey(store).read_or_make().reveal() == made.reveal()
    assert RecordingKey(Store()).read_or_make().reveal() != made.reveal()
    assert base64.b64encode(made.reveal()).decode() not in f"{made!r} {store.entries!r}"


def test_two_recordings_that_begin_at_once_get_the_key_that_the_keyring_keeps() -> None:
    class Slow(Store):
        def set(self, account: str, password: Secret) -> None:
            time.sleep(0.05)  # the person unlocks it
            super().set(account, password)

    store, made = Slow(), list[bytes]()
    both = threading.Barrier(2)

    def record() -> None:
        both.wait(10)
        made.append(RecordingKey(store).read_or_make().reveal())

    threads = [threading.Thread(target=record) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert made[0] == made[1] == base64.b64decode(store.entries[ENTRY].reveal())


def test_a_locked_keyring_is_said_with_what_to_do() -> None:
    with pytest.raises(OperationFailed) as refused:
        RecordingKey(Store(locked=True)).read_or_make()

    failure = refused.value.failure
    assert failure.kind is FailureKind.STORAGE
    assert failure.reason == "The key of the recordings cannot be had: the keyring is locked."
    assert "unlock" in failure.remedy


def test_a_keyring_that_does_not_keep_the_key_is_not_trusted_with_a_recording() -> None:
    with pytest.raises(OperationFailed, match="did not keep"):
        RecordingKey(Store(forgets=True)).read_or_make()


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode()])
def test_what_is_no_key_is_never_replaced(text: str) -> None:
    store = Store()
    store.entries[ENTRY] = Secret(text)
    with pytest.raises(OperationFailed, match="not the key"):
        RecordingKey(store).read_or_make()

    assert store.entries[ENTRY].reveal() == text
