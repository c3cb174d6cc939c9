"""The keyring for a program that must not wait: an unlock prompt stays open as long as a person likes.

Owns: one thread that writes, in order. Reading happens at the start, before there is anything that could wait.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

from softphone.errors import Failure, OperationFailed
from softphone.policy.secret import Secret
from softphone.storage.secrets import PasswordStore


class UnhurriedPasswordStore(PasswordStore):
    """`set` and `delete` return at once; `notice`, from another thread, hears of what did not work."""

    def __init__(self, notice: Callable[[Failure], None], store: PasswordStore | None = None) -> None:
        self._notice = notice
        self._store = store if store is not None else PasswordStore()
        self._waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def get(self, account: str) -> Secret | None:
        """Waits. Raises OperationFailed(STORAGE)."""
        return self._store.get(account)

    def set(self, account: str, password: Secret) -> None:
        self._later(lambda: self._store.set(account, password))

    def delete(self, account: str) -> None:
        self._later(lambda: self._store.delete(account))

    def _later(self, work: Callable[[], None]) -> None:
        self._waiting.put(work)
        if self._thread is None:
            # A daemon: the program's end does not wait for a prompt that nobody answers.
            self._thread = threading.Thread(target=self._run, name="keyring", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            work = self._waiting.get()
            try:
                work()
            except OperationFailed as error:
                self._notice(error.failure)
