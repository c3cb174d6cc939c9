"""The verbs of `softphone ctl`: what each asks of the running phone, and by what a script sees that it was done.

One table. A verb that concerns a call takes its id, or the beginning of it; without one it takes the only call that it
can mean. `done` looks at the state alone, so a command that changes nothing is done at once.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from softphone.cli.options import usage
from softphone.messages import AccountOptions, AnyCommand, ChangeAccountOptions, ChooseDefaultAccount, Quit, RaiseWindow
from softphone.state import AccountView, AppState, CallPhase, CallView
from softphone.ua import commands as ua
from softphone.ua.account import DoNotDisturb, Forwarding
from softphone.ua.events import DeliveryState, RegistrationState

Words = tuple[str, ...]
Done = Callable[[AppState], bool]
Test = Callable[[CallView], bool]

_RINGING = (CallPhase.INCOMING,)
_TALKING = (CallPhase.ACTIVE,)
_ANY = tuple(CallPhase)


@dataclass(frozen=True, slots=True)
class Request:
    """`calls` are those whose notices and end are about this command; `created` is a call that it makes."""

    command: AnyCommand
    done: Done
    calls: tuple[str, ...] = ()
    created: str | None = None
    ends_the_phone: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """`words` are its arguments: "TARGET", "[CALL]" if it may be left out, "CALL…" for one or more."""

    words: Words
    sentence: str
    request: Callable[[AppState, Words, str | None], Request]  # state, arguments, --account


# Of a call


def _held(call: CallView) -> bool:
    return call.held_by_us


def _talked_in(call: CallView) -> bool:
    return not call.held_by_us


def _recorded(call: CallView) -> bool:
    return call.recording


def _member(call: CallView) -> bool:
    return call.in_conference


def _silenced(call: CallView) -> bool:
    return call.member_muted


def _asked(call: CallView) -> bool:
    return call.transfer is not None and call.transfer.wants_answer


_NOT_ASKED = "The other side of this call does not ask to transfer us."
_NO_MEMBER = "This call is in no conference."

# Which call and which account is meant


def the_call(state: AppState, given: str | None, phases: tuple[CallPhase, ...], rather: Test | None = None) -> CallView:
    """Raises OperationFailed (USAGE) unless exactly one fits; of several, the only one that is `rather` meant does."""
    fitting = [call for call in state.calls if call.phase in phases and (given is None or call.id.startswith(given))]
    if len(fitting) > 1 and rather is not None:
        meant = [call for call in fitting if rather(call)]
        fitting = meant if len(meant) == 1 else fitting
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        wanted = f"There is no such call “{given}”" if given else "There is no call that this could be done to"
        raise usage(f"{wanted}.", "“softphone ctl calls” lists the calls.")
    remedy = "Name one: " + ", ".join(f"{call.id} ({call.remote.uri})" for call in fitting) + "."
    raise usage(f"{len(fitting)} calls could be meant.", remedy)


def the_account(state: AppState, name: str | None) -> AccountView:
    """Raises OperationFailed (USAGE). Without a name: the default account."""
    wanted = name or state.settings.default_account
    if not wanted and state.accounts:
        return state.accounts[0]
    account = state.account(wanted)
    if account is None:
        what = f"no account named {wanted}" if wanted else "no account"
        raise usage(f"The running phone has {what}.", "“softphone ctl accounts” lists the accounts.")
    return account


def _word(words: Words, place: int = 0) -> str | None:
    return words[place] if len(words) > place else None


# Requests of a common form


def _gone(call_id: str) -> Done:
    return lambda state: all(call.id != call_id for call in state.calls)


def _holds(call_id: str, test: Test) -> Done:
    def done(state: AppState) -> bool:
        call = state.call(call_id)
        return call is not None and test(call)

    return done


def _on_call(
    phases: tuple[CallPhase, ...],
    command: Callable[[str], AnyCommand],
    test: Test | None,
    *,
    rather: Test | None = None,
    only: Test | None = None,
    otherwise: str = "",
) -> Callable[[AppState, Words, str | None], Request]:
    """A command that takes a call's id alone; `test` is true of the call when it is done, None: when it is gone.

    A call that is not `only` so is refused, and `otherwise` says why.
    """

    def request(state: AppState, words: Words, account: str | None) -> Request:
        del account
        call = the_call(state, _word(words), phases, rather or only)
        if only is not None and not only(call):
            raise usage(otherwise, "“softphone ctl calls” lists the calls.")
        return Request(command(call.id), _gone(call.id) if test is None else _holds(call.id, test), (call.id,))

    return request


def _on_call_with(
    phases: tuple[CallPhase, ...], command: Callable[[str, str], AnyCommand], test: Callable[[CallView], bool] | None
) -> Callable[[AppState, Words, str | None], Request]:
    """The same with a word of the person's before the call."""

    def request(state: AppState, words: Words, account: str | None) -> Request:
        del account
        call = the_call(state, _word(words, 1), phases)
        done = _gone(call.id) if test is None else _holds(call.id, test)
        return Request(command(call.id, words[0]), done, (call.id,))

    return request


def _on_account(
    command: Callable[[str], AnyCommand], done_in: frozenset[RegistrationState]
) -> Callable[[AppState, Words, str | None], Request]:
    def request(state: AppState, words: Words, account: str | None) -> Request:
        view = the_account(state, _word(words) or account)

        def done(later: AppState) -> bool:
            now = later.account(view.id)
            return now is not None and now.state in done_in

        return Request(command(view.id), done)

    return request


def _options(
    change: Callable[[AccountOptions, Words], AccountOptions],
) -> Callable[[AppState, Words, str | None], Request]:
    def request(state: AppState, words: Words, account: str | None) -> Request:
        view = the_account(state, account)
        wanted = change(view.options, words)

        def done(later: AppState) -> bool:
            now = later.account(view.id)
            return now is not None and now.options == wanted

        return Request(ChangeAccountOptions(view.id, wanted), done)

    return request


# Requests of their own form


def _dial(state: AppState, words: Words, account: str | None) -> Request:
    call_id = secrets.token_hex(8)
    command = ua.Dial(call_id, words[0], the_account(state, account).id)
    return Request(command, lambda later: later.call(call_id) is not None, (call_id,), created=call_id)


def _pick_up(state: AppState, words: Words, account: str | None) -> Request:
    call_id = secrets.token_hex(8)
    view = the_account(state, account)
    if all(line.uri != words[0] for line in view.lines):
        listed = ", ".join(line.uri for line in view.lines) or "none"
        raise usage(f"The account {view.id} does not watch {words[0]}.", f"It watches: {listed}.")
    command = ua.PickUp(call_id, view.id, words[0])
    return Request(command, lambda later: later.call(call_id) is not None, (call_id,), created=call_id)


def _accept_transfer(state: AppState, words: Words, account: str | None) -> Request:
    del account
    call, new = the_call(state, _word(words), _TALKING, _asked), secrets.token_hex(8)
    if not _asked(call):
        raise usage(_NOT_ASKED, "“softphone ctl calls” lists the calls.")
    return Request(ua.AcceptTransfer(call.id, new), lambda later: later.call(new) is not None, (call.id,), created=new)


def _transfer_to(state: AppState, words: Words, account: str | None) -> Request:
    del account
    other = the_call(state, words[0], _TALKING)
    rest = replace(state, calls=tuple(call for call in state.calls if call.id != other.id))
    call = the_call(rest, _word(words, 1), _TALKING)
    # The other call may well end first: that is no failure.
    return Request(ua.TransferTo(call.id, other.id), _gone(call.id), (call.id,))


def _join(state: AppState, words: Words, account: str | None, *, agreed: bool = False) -> Request:
    del account
    wanted = tuple(the_call(state, word, _TALKING).id for word in words)
    members = wanted or tuple(call.id for call in state.calls if call.phase in _TALKING)
    if len(members) < 2:
        raise usage("A conference needs two calls at least.", "“softphone ctl calls” lists the calls.")

    def done(later: AppState) -> bool:
        return all(call.in_conference for call in later.calls if call.id in members)

    return Request(ua.JoinConference(members, unencrypted_agreed=agreed), done, members)


def _message(state: AppState, words: Words, account: str | None) -> Request:
    message_id = secrets.token_hex(8)

    def done(later: AppState) -> bool:
        return any(m.id == message_id and m.state is not DeliveryState.SENDING for m in later.messages)

    return Request(ua.SendInstantMessage(message_id, words[0], words[1], the_account(state, account).id), done)


def _digits(state: AppState, words: Words, account: str | None) -> Request:
    del account
    call = the_call(state, _word(words, 1), _TALKING, _talked_in)
    wanted = (call.digits_sent + "".join(d for d in words[0].upper() if d not in ",;"))[-100:]
    return Request(ua.SendDigits(call.id, words[0]), _holds(call.id, lambda c: c.digits_sent == wanted), (call.id,))


def _default_account(state: AppState, words: Words, account: str | None) -> Request:
    view = the_account(state, _word(words) or account)
    return Request(ChooseDefaultAccount(view.id), lambda later: later.settings.default_account == view.id)


def _do_not_disturb(options: AccountOptions, words: Words) -> AccountOptions:
    values = {"on": DoNotDisturb.BUSY, **{mode.value: mode for mode in DoNotDisturb}}
    if words[0] not in values:
        raise usage(f"“{words[0]}” is no way not to be disturbed.", f"Say one of: {', '.join(values)}.")
    return replace(options, rules=replace(options.rules, do_not_disturb=values[words[0]]))


_FORWARDING: dict[str, Callable[[Forwarding, str], Forwarding]] = {
    "always": lambda old, target: replace(old, always=target),
    "busy": lambda old, target: replace(old, busy=target),
    "no-answer": lambda old, target: replace(old, no_answer=target),
}


def _forward(options: AccountOptions, words: Words) -> AccountOptions:
    when, target = words[0], words[1]
    if when not in _FORWARDING:
        listed = ", ".join(_FORWARDING)
        raise usage(f"“{when}” is no reason to forward.", f"Say one of: {listed}; and a target, or “off”.")
    forwarding = _FORWARDING[when](options.rules.forwarding, "" if target == "off" else target)
    return replace(options, rules=replace(options.rules, forwarding=forwarding))


def _phone(command: AnyCommand, *, ends: bool = False) -> Callable[[AppState, Words, str | None], Request]:
    return lambda _state, _words, _account: Request(command, lambda _later: not ends, ends_the_phone=ends)


def _silence(state: AppState, words: Words, account: str | None) -> Request:
    """Also where nothing rings: then a busy tone may end."""
    del words, account
    ringing = {call.id for call in state.calls if call.phase in _RINGING}

    def done(later: AppState) -> bool:
        still = (call for call in later.calls if call.id in ringing and call.phase in _RINGING)
        return all(call.silenced or call.auto_answered for call in still)

    return Request(ua.Silence(), done)


_REGISTERED = frozenset({RegistrationState.REGISTERED})
_OFFLINE = frozenset({RegistrationState.OFFLINE})
_CALL = ("[CALL]",)

VERBS: dict[str, Verb] = {
    "dial": Verb(("TARGET",), "Call TARGET; done when the call is on its way.", _dial),
    "answer": Verb(_CALL, "Answer a ringing call.", _on_call(_RINGING, ua.Answer, lambda c: c.phase in _TALKING)),
    "answer-unencrypted": Verb(
        _CALL,
        "Answer a call that cannot be encrypted.",
        _on_call(_RINGING, ua.AnswerUnencrypted, lambda c: c.phase in _TALKING),
    ),
    "decline": Verb(_CALL, "Decline a ringing call (603).", _on_call(_RINGING, ua.Decline, None)),
    "busy": Verb(_CALL, "Decline it as busy (486).", _on_call(_RINGING, lambda i: ua.Decline(i, 486), None)),
    "deflect": Verb(
        ("TARGET", "[CALL]"), "Send a ringing call to TARGET (302).", _on_call_with(_RINGING, ua.Deflect, None)
    ),
    "silence": Verb((), "Stop ringing; the calls go on.", _silence),
    "hang-up": Verb(_CALL, "End a call in any state.", _on_call(_ANY, ua.HangUp, None)),
    "hold": Verb(_CALL, "Put a call on hold.", _on_call(_TALKING, ua.Hold, _held, rather=_talked_in)),
    "resume": Verb(_CALL, "Take a call off hold.", _on_call(_TALKING, ua.Resume, _talked_in, rather=_held)),
    "switch-to": Verb(
        ("CALL",),
        "Talk in this call and hold all others.",
        _on_call(_TALKING, ua.SwitchTo, _talked_in),
    ),
    "mute": Verb(_CALL, "Mute the microphone for a call.", _on_call(_TALKING, ua.Mute, lambda c: c.muted)),
    "unmute": Verb(_CALL, "Let the microphone be heard again.", _on_call(_TALKING, ua.Unmute, lambda c: not c.muted)),
    "record": Verb(
        _CALL,
        "Record both sides, encrypted; done when it runs.",
        _on_call(_TALKING, lambda i: ua.Record(i, True), lambda c: c.recording, rather=_talked_in),
    ),
    "stop-recording": Verb(
        _CALL,
        "Stop recording a call.",
        _on_call(_TALKING, lambda i: ua.Record(i, False), lambda c: not c.recording, rather=_recorded),
    ),
    "digits": Verb(("DIGITS", "[CALL]"), "Send digits; a comma waits one second, a semicolon two.", _digits),
    "rekey": Verb(_CALL, "Agree on new SRTP keys.", _on_call(_TALKING, ua.Rekey, lambda _: True)),
    "agree-unencrypted": Verb(
        _CALL,
        "Go on with a call that the other side answered without encryption.",
        _on_call((CallPhase.CONSENT,), ua.AgreeToUnencrypted, lambda c: c.phase in _TALKING),
    ),
    "follow": Verb(
        _CALL,
        "Call the address that a call was redirected to.",
        _on_call((CallPhase.REDIRECTED,), ua.FollowRedirect, lambda c: c.phase is not CallPhase.REDIRECTED),
    ),
    "transfer": Verb(
        ("TARGET", "[CALL]"),
        "Have the other side call TARGET instead; done when it does.",
        _on_call_with(_TALKING, ua.Transfer, None),
    ),
    "transfer-to": Verb(("OTHER-CALL", "[CALL]"), "Connect the other sides of two calls.", _transfer_to),
    "accept-transfer": Verb(_CALL, "Call where the other side asks us to.", _accept_transfer),
    "refuse-transfer": Verb(
        _CALL,
        "Do not call where the other side asks us to.",
        _on_call(_TALKING, ua.RefuseTransfer, lambda c: not _asked(c), only=_asked, otherwise=_NOT_ASKED),
    ),
    "join": Verb(("[CALL…]",), "Join calls to a conference; all that run if none is named.", _join),
    "join-unencrypted": Verb(
        ("[CALL…]",),
        "Join them although one is not encrypted: nothing that is said in the conference is then.",
        partial(_join, agreed=True),
    ),
    "leave": Verb(
        ("CALL",),
        "Take a call out of the conference.",
        _on_call(_TALKING, ua.LeaveConference, lambda c: not c.in_conference),
    ),
    "mute-member": Verb(
        ("CALL",),
        "Let nobody in the conference hear this member.",
        _on_call(_TALKING, lambda i: ua.SetMemberMuted(i, True), _silenced, only=_member, otherwise=_NO_MEMBER),
    ),
    "unmute-member": Verb(
        ("CALL",),
        "Let the member be heard again.",
        _on_call(
            _TALKING,
            lambda i: ua.SetMemberMuted(i, False),
            lambda c: not _silenced(c),
            only=_member,
            otherwise=_NO_MEMBER,
        ),
    ),
    "pick-up": Verb(("LINE",), "Take the call that rings at a watched line.", _pick_up),
    "message": Verb(("TARGET", "TEXT"), "Send a short message.", _message),
    "register": Verb(("[ACCOUNT]",), "Register now.", _on_account(ua.Register, _REGISTERED)),
    "unregister": Verb(("[ACCOUNT]",), "Unregister.", _on_account(ua.Unregister, _OFFLINE)),
    "default-account": Verb(("ACCOUNT",), "Call with this account when none is named.", _default_account),
    "do-not-disturb": Verb(
        ("MODE",), "off, busy (also: on) or unavailable, for --account or the default.", _options(_do_not_disturb)
    ),
    "forward": Verb(("WHEN", "TARGET"), "Forward always, busy or no-answer to TARGET, or “off”.", _options(_forward)),
    "raise": Verb((), "Bring the window to the front.", _phone(RaiseWindow())),
    "quit": Verb((), "End all calls, unregister, end the phone.", _phone(Quit(), ends=True)),
}
