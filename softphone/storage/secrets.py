"""Passwords in the operating system's keyring, and nowhere else (security.md "Data").

Only back ends on the allow-list are used; plain-text ones are refused by name. No back end, a locked one and a failing
one are different failures with different remedies.
"""

from __future__ import annotations

import keyring
import keyring.backend
import keyring.errors

from softphone.errors import Failure, FailureKind, OperationFailed
from softphone.policy.secret import Secret

SERVICE = "softphone"
ALLOWED_BACK_ENDS = frozenset(
    {
        "keyring.backends.SecretService",
        "keyring.backends.libsecret",
        "keyring.backends.kwallet",
        "keyring.backends.macOS",
        "keyring.backends.Windows",
    }
)


def _failed(reason: str, remedy: str) -> OperationFailed:
    return OperationFailed(Failure(FailureKind.STORAGE, reason, remedy))


class PasswordStore:
    """The keyring, by account address. Raises OperationFailed(STORAGE) with words; never falls back to a file."""

    def _backend(self) -> keyring.backend.KeyringBackend:
        backend = keyring.get_keyring()
        candidates = getattr(backend, "backends", None)  # a chain of back ends, strongest first
        chosen = next((b for b in candidates if _allowed(b)), None) if candidates is not None else backend
        if chosen is None or not _allowed(chosen):
            module = type(backend).__module__
            if module in ("keyring.backends.fail", "keyring.backends.null", "keyring.backends.chainer"):
                raise _failed(
                    "This session has no keyring, so the password cannot be remembered.",
                    "Start a keyring such as GNOME Keyring or KWallet, or type the password each time.",
                )
            raise _failed(
                f"The configured keyring {module}.{type(backend).__qualname__} is not one that keeps secrets safe.",
                "Use GNOME Keyring, KWallet, the macOS Keychain or the Windows Credential Manager.",
            )
        return chosen

    def get(self, account: str) -> Secret | None:
        try:
            password = self._backend().get_password(SERVICE, account)
        except keyring.errors.KeyringLocked as error:
            raise _failed("The keyring is locked.", "Unlock it, or type the password.") from error
        except keyring.errors.KeyringError as error:
            raise _failed(f"The keyring could not be read: {error}.", "Type the password.") from error
        return Secret(password) if password is not None else None

    def set(self, account: str, password: Secret) -> None:
        try:
            self._backend().set_password(SERVICE, account, password.reveal())
        except keyring.errors.KeyringLocked as error:
            raise _failed(
                "The keyring is locked, so the password is not remembered.", "Unlock it and sign in again."
            ) from error
        except keyring.errors.KeyringError as error:
            raise _failed(
                f"The keyring did not take the password: {type(error).__name__}.",
                "Check the keyring, then sign in again.",
            ) from error

    def delete(self, account: str) -> None:
        """Nothing to delete is fine."""
        try:
            self._backend().delete_password(SERVICE, account)
        except keyring.errors.PasswordDeleteError:
            return
        except keyring.errors.KeyringError as error:
            raise _failed(f"The keyring could not be changed: {error}.", "Remove the entry by hand.") from error


def _allowed(backend: keyring.backend.KeyringBackend) -> bool:
    return type(backend).__module__ in ALLOWED_BACK_ENDS
