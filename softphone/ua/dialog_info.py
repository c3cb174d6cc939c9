"""The dialogs of a line: application/dialog-info+xml read safely, and the table kept of it (RFC 4235 §4, §3.9).

Owns: reading the XML (no document type, no entities, no processing that fetches anything; limits on size, depth and
number), versions, and what the dialogs come to in people's words. Knows no subscription.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from xml.parsers import expat

from softphone.errors import RemoteProtocolError
from softphone.sip.uri import parse_uri

MAX_DOCUMENT = 64 * 1024  # octets; a line with dozens of calls stays under 16 KiB
MAX_DEPTH = 16  # dialog-info/dialog/remote/target/param is 5
MAX_ELEMENTS = 4096
MAX_DIALOGS = 64  # of one line; more are no line's
MAX_TEXT = 1024  # characters of one value
MAX_VERSION = 2**32 - 1

NAMESPACE = "urn:ietf:params:xml:ns:dialog-info"
_SEPARATOR = " "


class DialogPhase(Enum):
    """§3.7.1, §4.1.3."""

    TRYING = "trying"
    PROCEEDING = "proceeding"
    EARLY = "early"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


@dataclass(frozen=True, slots=True)
class Participant:
    """Untrusted text; `target` is where that side of the dialog is reached, "" if not said."""

    uri: str = ""
    display_name: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class LineDialog:
    """One dialog of the watched line; local is the line's own side (§4.1.2)."""

    id: str
    phase: DialogPhase
    recipient: bool | None = None  # the line was called; None: the server does not say
    call_id: str = ""
    local_tag: str = ""
    remote_tag: str = ""
    remote: Participant = field(default_factory=Participant)

    @property
    def rings(self) -> bool:
        """Somebody calls the line. Who does not say the direction, means this by an early dialog."""
        early = self.phase in (DialogPhase.TRYING, DialogPhase.PROCEEDING, DialogPhase.EARLY)
        return early and self.recipient is not False


@dataclass(frozen=True, slots=True)
class DialogInfo:
    version: int
    full: bool  # every dialog of the line is in it; else only those that changed
    entity: str
    dialogs: tuple[LineDialog, ...]


def parse_dialog_info(body: bytes) -> DialogInfo:
    """Raises RemoteProtocolError for anything that is not such a document, in time linear in its length."""
    if len(body) > MAX_DOCUMENT:
        raise RemoteProtocolError("The dialog information is too long")
    reader = _Reader()
    # §4: UTF-8, whatever the document says of itself; so no codec is looked up by a name the peer chooses.
    parser = expat.ParserCreate("UTF-8", _SEPARATOR)
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse_doctype
    parser.EntityDeclHandler = reader.refuse_doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise RemoteProtocolError("The dialog information is no well-formed XML") from error
    return reader.result()


class _Reader:
    """Expat's handlers: keeps what is asked of one dialog at a time, by the path of element names."""

    def __init__(self) -> None:
        self._path: list[str] = []
        self._elements = 0
        self._root: dict[str, str] | None = None
        self._dialogs: list[LineDialog] = []
        self._values: dict[str, str] = {}  # of the dialog that is being read
        self._text: list[str] = []

    def refuse_doctype(self, *_declaration: object) -> None:
        raise RemoteProtocolError("The dialog information declares a document type, which is not read")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._path.append(name.removeprefix(NAMESPACE + _SEPARATOR))
        if self._elements > MAX_ELEMENTS or len(self._path) > MAX_DEPTH:
            raise RemoteProtocolError("The dialog information has too many elements")
        self._text = []
        match self._path:
            case ["dialog-info"]:
                if not name.startswith(NAMESPACE + _SEPARATOR):
                    raise RemoteProtocolError("The dialog information is of another namespace")
                self._root = attributes
            case [_]:
                raise RemoteProtocolError("The document is no dialog information")
            case ["dialog-info", "dialog"]:
                self._values = {
                    key: _short(attributes.get(key, ""))
                    for key in ("id", "call-id", "local-tag", "remote-tag", "direction")
                }
            case ["dialog-info", "dialog", "remote", "identity"]:
                self._values["display"] = _short(attributes.get("display", ""))
            case ["dialog-info", "dialog", "remote", "target"]:
                self._values["target"] = _short(attributes.get("uri", ""))

    def text(self, data: str) -> None:
        self._text.append(data)

    def end(self, _name: str) -> None:
        text, self._text = self._text, []
        match self._path:
            case ["dialog-info", "dialog", "state"]:
                self._values["state"] = _short("".join(text).strip())
            case ["dialog-info", "dialog", "remote", "identity"]:
                self._values["identity"] = _short("".join(text).strip())
            case ["dialog-info", "dialog"]:
                self._dialogs.append(_dialog(self._values))
                if len(self._dialogs) > MAX_DIALOGS:
                    raise RemoteProtocolError("The dialog information names too many dialogs")
        self._path.pop()

    def result(self) -> DialogInfo:
        if self._root is None:
            raise RemoteProtocolError("The document is no dialog information")
        state = self._root.get("state", "")
        if state not in ("full", "partial"):
            raise RemoteProtocolError("The dialog information says neither “full” nor “partial”")
        version = self._root.get("version", "")
        if not (version.isascii() and version.isdigit() and len(version) <= 10) or int(version) > MAX_VERSION:
            raise RemoteProtocolError("The dialog information has no version")
        return DialogInfo(int(version), state == "full", _short(self._root.get("entity", "")), tuple(self._dialogs))


def _short(text: str) -> str:
    if len(text) > MAX_TEXT:
        raise RemoteProtocolError("A value of the dialog information is too long")
    return text


def _dialog(values: dict[str, str]) -> LineDialog:
    if not values["id"]:
        raise RemoteProtocolError("A dialog of the dialog information has no id")
    try:
        phase = DialogPhase(values.get("state", "").lower())
    except ValueError as error:
        raise RemoteProtocolError("A dialog of the dialog information has no state that is known") from error
    direction = values["direction"].lower()
    return LineDialog(
        values["id"],
        phase,
        None if direction not in ("initiator", "recipient") else direction == "recipient",
        values["call-id"],
        values["local-tag"],
        values["remote-tag"],
        Participant(
            _address(values.get("identity", "")), values.get("display", ""), _address(values.get("target", ""))
        ),
    )


def _address(text: str) -> str:
    """An address as such, or "" for what is none: it is shown and called, and never worth losing the state for."""
    try:
        return str(parse_uri(text)) if text else ""
    except RemoteProtocolError:
        return ""


class DialogTable:
    """What is known of one line's dialogs within one subscription (RFC 4235 §3.9, §4.3)."""

    def __init__(self) -> None:
        self._version: int | None = None
        self._dialogs: dict[str, LineDialog] = {}

    def take(self, info: DialogInfo) -> bool:
        """Takes the document in; True if an earlier one was lost and the full state must be asked for."""
        if self._version is not None and info.version <= self._version:
            return False  # §4.3: older than what is known
        lost = not info.full and (self._version is None or info.version > self._version + 1)
        self._version = info.version
        if info.full:
            self._dialogs.clear()
        for dialog in info.dialogs:
            self._dialogs.pop(dialog.id, None)
            if dialog.phase is not DialogPhase.TERMINATED:
                self._dialogs[dialog.id] = dialog
        while len(self._dialogs) > MAX_DIALOGS:
            del self._dialogs[next(iter(self._dialogs))]
        return lost

    @property
    def ringing(self) -> LineDialog | None:
        """The call that rings at the line, the oldest first."""
        return next((dialog for dialog in self._dialogs.values() if dialog.rings), None)

    @property
    def talking(self) -> LineDialog | None:
        """What keeps the line busy: an established call rather than one on its way."""
        busy = [dialog for dialog in self._dialogs.values() if not dialog.rings]
        return next((dialog for dialog in busy if dialog.phase is DialogPhase.CONFIRMED), next(iter(busy), None))
