"""The key that all recordings are encrypted with: in the operating system's keyring, and nowhere else.

Owns: reading it and, the first time, making it. Without a keyring there is no key and so no recording: nothing is
written in clear instead. The key never leaves the engine, or the command that exports.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import threading
from dataclasses import replace

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import Secret, SecretBytes
from softphone.storage.secrets import PasswordStore

ENTRY = "recordings"  # no account's entry: those are addresses with an @
KEY_OCTETS = 32
_MAKING = threading.Lock()
"""Two calls that are recorded at once, the first ever, get one key: of two, the keyring would keep the later alone."""
_REMEDY = "Start and unlock a keyring such as GNOME Keyring or KWallet, then try again."


class RecordingKey:
    """Waits for the keyring, which may ask the person to unlock it: not for threads that must go on."""

    def __init__(self, store: PasswordStore | None = None) -> None:
        self._store = store if store is not None else PasswordStore()

    def read(self) -> SecretBytes | None:
        """None if nothing was ever recorded here. Raises OperationFailed (STORAGE)."""
        try:
            text = self._store.get(ENTRY)
        except OperationFailed as error:
            raise OperationFailed(
                replace(
                    error.failure,
                    reason="The key of the recordings cannot be had: " + _continued(error.failure.reason),
                    remedy=_REMEDY,
                )
            ) from error
        return None if text is None else _decoded(text)

    def read_or_make(self) -> SecretBytes:
        """Raises OperationFailed (STORAGE) where the keyring does not keep a new key."""
        with _MAKING:
            return self._read_or_make()

    def _read_or_make(self) -> SecretBytes:
        known = self.read()
        if known is not None:
            return known
        made = secrets.token_bytes(KEY_OCTETS)
        try:
            self._store.set(ENTRY, Secret(base64.b64encode(made).decode("ascii")))
        except OperationFailed as error:
            raise _unkept(error.failure.reason) from error
        kept = self.read()  # a key that was not kept would make the recording unreadable for ever
        if kept is None or kept.reveal() != made:
            raise _unkept("it did not give back what it was given")
        return kept


def _decoded(text: Secret) -> SecretBytes:
    try:
        key = base64.b64decode(text.reveal(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_OCTETS:
        raise OperationFailed(
            Failure(
                FailureKind.STORAGE,
                f"What the keyring holds as “{ENTRY}” of softphone is not the key of the recordings.",
                "Restore that entry from a backup of the keyring; if there is none, delete it: recordings made before "
                "stay unreadable, new ones get a new key.",
            )
        )
    return SecretBytes(key)


def _unkept(why: str) -> OperationFailed:
    return OperationFailed(
        Failure(FailureKind.STORAGE, "The keyring did not keep the key of the recordings: " + _continued(why), _REMEDY)
    )


def _continued(sentence: str) -> str:
    """Within another sentence, which ends with a full stop."""
    return sentence[:1].lower() + sentence[1:].rstrip(".") + "."
