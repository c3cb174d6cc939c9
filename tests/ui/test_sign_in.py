"""Signing in: the form, its errors in words, trust in a certificate, and what happens on the way to the phone."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLineEdit

from softphone.errors import Failure, FailureKind
from softphone.messages import Noticed, PinCertificate, SignIn, SignOut
from softphone.policy.secret import Secret
from softphone.state import AppState
from softphone.ua.commands import Register
from softphone.ua.events import RegistrationState
from softphone.ui.main_window import MainWindow
from softphone.ui.sign_in_form import SignInForm, fingerprint_in
from tests.ui.conftest import Engine
from tests.ui.hands import click, key, type_text
from tests.ui.states import FINGERPRINT, READY, SELF_SIGNED, WRONG_PASSWORD, account, after

FAILED = RegistrationState.FAILED


def sign_in(window: MainWindow, address: str = "alice@example.org", password: str = "geheim") -> None:
    """By keyboard alone: address, Tab, password, Enter."""
    view = window.sign_in
    view.address.clear()
    type_text(view.address, address)
    key(view.address, Qt.Key.Key_Tab)
    view.password.clear()
    type_text(view.password, password)
    key(view.password, Qt.Key.Key_Return)


def test_the_first_start_asks_to_sign_in(window: MainWindow) -> None:
    assert window.pages.currentWidget() is window.starting
    window.render_state(AppState())

    assert window.pages.currentWidget() is window.sign_in
    assert not window.sign_in.back.isVisible()
    assert window.focusWidget() is window.sign_in.address
    assert window.sign_in.password.echoMode() is QLineEdit.EchoMode.Password


def test_address_and_password_are_enough(window: MainWindow, engine: Engine) -> None:
    window.render_state(AppState())
    sign_in(window)

    assert engine.commands == [SignIn("alice@example.org", "alice", "example.org", Secret("geheim"))]
    assert window.sign_in.progress.text() == "Connecting to example.org …"
    assert not window.sign_in.sign_in.isEnabled()


def test_server_user_name_and_ca_file_go_along_when_given(window: MainWindow, engine: Engine) -> None:
    window.render_state(AppState())
    view = window.sign_in
    assert not view.options.isVisible()
    click(view.more)
    assert view.options.isVisible()
    type_text(view.server, "pbx.example.org:5071")
    type_text(view.auth_user, "al1ce")
    type_text(view.ca_file, "/etc/ca.pem")
    view.remember.setChecked(False)
    sign_in(window)

    assert engine.last() == SignIn(
        "alice@example.org",
        "alice",
        "example.org",
        Secret("geheim"),
        server="pbx.example.org:5071",
        auth_user="al1ce",
        ca_files=("/etc/ca.pem",),
        remember_password=False,
    )


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        (SignInForm("", Secret("x")), "Type your SIP address"),
        (SignInForm("example.org", Secret("x")), "Type your SIP address"),
        (SignInForm("alice@", Secret("x")), "Type your SIP address"),
        (SignInForm("tel:+491234", Secret("x")), "Type your SIP address"),
        (SignInForm("alice@example.org", Secret("")), "Type the password"),
        (SignInForm("alice@example.org", Secret("x"), server="a b"), "Write the server as host or host:port"),
        (SignInForm("alice@example.org", Secret("x"), server="host:99999"), "Write the server as host or host:port"),
    ],
)
def test_a_form_that_cannot_be_used_says_which_field(form: SignInForm, sentence: str) -> None:
    answer = form.command()

    assert isinstance(answer, str)
    assert answer.startswith(sentence)


@pytest.mark.parametrize(
    ("address", "server", "expected"),
    [
        ("sip:alice@example.org", "", ""),
        (" alice@example.org:5071 ", "", "example.org:5071"),
        ("alice@[2001:db8::1]:5071", "", "[2001:db8::1]:5071"),
        ("alice@example.org:5071", "pbx.example.org", "pbx.example.org"),
    ],
)
def test_a_port_in_the_address_is_the_server_s(address: str, server: str, expected: str) -> None:
    command = SignInForm(address, Secret("x"), server).command()

    assert isinstance(command, SignIn)
    assert command.server == expected
    assert command.user == "alice"


def test_an_incomplete_form_says_so_beside_it_and_submits_nothing(window: MainWindow, engine: Engine) -> None:
    window.render_state(AppState())
    sign_in(window, password="")

    assert window.sign_in.trouble.reason.text() == "Type the password of this account."
    assert window.sign_in.trouble.isVisible()
    assert engine.commands == []


def test_success_leads_to_the_phone_and_forgets_the_password(window: MainWindow) -> None:
    window.render_state(AppState())
    sign_in(window)
    window.render_state(account(RegistrationState.REGISTERING))
    assert window.pages.currentWidget() is window.sign_in
    window.render_state(READY)

    assert window.pages.currentWidget() is window.phone
    assert window.sign_in.password.text() == ""
    assert window.focusWidget() is window.dial_view.address


def test_a_wrong_password_is_said_in_words_and_can_be_corrected_at_once(window: MainWindow, engine: Engine) -> None:
    window.render_state(AppState())
    sign_in(window)
    window.render_state(account(FAILED, WRONG_PASSWORD))
    view = window.sign_in

    assert window.pages.currentWidget() is view
    assert (view.trouble.reason.text(), view.trouble.remedy.text()) == (WRONG_PASSWORD.reason, WRONG_PASSWORD.remedy)
    assert not view.trust.isVisible()

    sign_in(window, password="richtig")
    again = engine.last()
    assert isinstance(again, SignIn)
    assert again.password == Secret("richtig")
    window.render_state(READY)
    assert window.pages.currentWidget() is window.phone


def test_the_failure_of_before_is_not_taken_for_the_answer(window: MainWindow) -> None:
    window.render_state(AppState())
    sign_in(window)
    failed = account(FAILED, WRONG_PASSWORD)
    window.render_state(failed)
    sign_in(window, password="richtig")
    window.render_state(after(failed, Noticed(WRONG_PASSWORD)))  # another event, the account is as it was

    assert window.sign_in.progress.isVisible() or window.sign_in.trouble.isVisible()
    window.render_state(account(FAILED, WRONG_PASSWORD))  # the same failure again, but a new one
    assert window.sign_in.trouble.reason.text() == WRONG_PASSWORD.reason
    assert window.sign_in.sign_in.isEnabled()


def test_a_corrected_address_leaves_no_wrong_account_behind(window: MainWindow, engine: Engine) -> None:
    window.render_state(AppState())
    sign_in(window)
    window.render_state(account(FAILED, WRONG_PASSWORD))
    sign_in(window, address="alicia@example.org")

    assert engine.commands[-2] == SignOut("alice@example.org")
    assert isinstance(engine.last(), SignIn)


def test_an_account_that_was_there_before_is_not_signed_out(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.show_sign_in("")
    sign_in(window)
    window.render_state(account(FAILED, WRONG_PASSWORD))
    sign_in(window, address="carol@example.org")

    assert not any(isinstance(command, SignOut) for command in engine.commands)


def test_a_self_signed_certificate_is_trusted_only_after_its_fingerprint_was_compared(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(AppState())
    sign_in(window)
    window.render_state(account(FAILED, SELF_SIGNED))
    trust = window.sign_in.trust

    assert trust.isVisible()
    assert trust.fingerprint.text().replace("\n", "") == FINGERPRINT
    assert "subject: CN=pbx.example.org" in trust.certificate.text()
    assert not trust.trust.isEnabled()
    click(trust.trust)
    assert not any(isinstance(command, PinCertificate) for command in engine.commands)

    key(trust.compared, Qt.Key.Key_Space)
    click(trust.trust)
    assert engine.last() == PinCertificate("alice@example.org", FINGERPRINT)
    window.render_state(READY)
    assert window.pages.currentWidget() is window.phone


def test_another_certificate_must_be_compared_anew(window: MainWindow) -> None:
    window.render_state(AppState())
    sign_in(window)
    window.render_state(account(FAILED, SELF_SIGNED))
    window.sign_in.trust.compared.setChecked(True)
    other = Failure(SELF_SIGNED.kind, "x", "y", (f"SHA-256: {FINGERPRINT[::-1]}",))
    window.render_state(account(FAILED, other))

    assert not window.sign_in.trust.compared.isChecked()
    assert not window.sign_in.trust.trust.isEnabled()


@pytest.mark.parametrize("kind", [FailureKind.WRONG_NAME, FailureKind.CERTIFICATE_EXPIRED, FailureKind.PIN_MISMATCH])
def test_what_a_pin_cannot_answer_offers_no_trust(kind: FailureKind) -> None:
    assert fingerprint_in(Failure(kind, "x", "y", SELF_SIGNED.evidence)) == ""
    assert fingerprint_in(SELF_SIGNED) == FINGERPRINT


def test_a_form_that_the_engine_refuses_says_why(window: MainWindow) -> None:
    window.render_state(AppState())
    sign_in(window)
    refusal = Failure(FailureKind.STORAGE, "The settings could not be saved: disk full.", "Check the disk.")
    window.render_state(after(AppState(), Noticed(refusal)))

    assert window.sign_in.trouble.reason.text() == refusal.reason
    assert window.sign_in.sign_in.isEnabled()


# The account's row on the phone page


def test_the_state_of_the_registration_is_said_in_words_with_reason_and_remedy(
    window: MainWindow, engine: Engine
) -> None:
    window.render_state(READY)
    row = window.accounts.rows["alice@example.org"]
    assert (row.name.text(), row.state.text()) == ("alice@example.org", "Ready for calls · TLSv1.3")
    assert not row.trouble.isVisible()

    window.render_state(account(FAILED, WRONG_PASSWORD, base=READY))
    assert row.state.text() == "Not signed in"
    assert row.trouble.reason.text() == WRONG_PASSWORD.reason
    assert row.trouble.remedy.text() == WRONG_PASSWORD.remedy

    click(row.again)
    assert engine.last() == Register("alice@example.org")
    click(row.account)
    assert window.pages.currentWidget() is window.sign_in
    assert window.sign_in.address.text() == "alice@example.org"
    assert window.focusWidget() is window.sign_in.password


@pytest.mark.parametrize("state", list(RegistrationState))
def test_every_state_of_registration_has_its_words(window: MainWindow, state: RegistrationState) -> None:
    window.render_state(account(state))

    assert window.accounts.rows["alice@example.org"].state.text()


def test_signing_out_leads_back_to_the_form(window: MainWindow, engine: Engine) -> None:
    window.render_state(READY)
    window.sign_out_menu.actions()[0].trigger()
    assert engine.last() == SignOut("alice@example.org")

    window.render_state(AppState())
    assert window.pages.currentWidget() is window.sign_in
