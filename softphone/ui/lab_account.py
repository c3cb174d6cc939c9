"""The account of the built-in lab: what the window signs in with when it is opened as a demonstration."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.messages import SignIn
from softphone.policy.secret import Secret

LAB_ACCOUNT_ID = "lab"
LAB_SERVICE = "echo"  # what is put into the address field


@dataclass(frozen=True, slots=True)
class LabAccount:
    """`server` is host:port, `ca_file` the lab's throw-away authority. Nothing of it goes into a keyring."""

    user: str
    domain: str
    server: str
    password: Secret
    ca_file: str

    def command(self) -> SignIn:
        return SignIn(
            account_id=LAB_ACCOUNT_ID,
            user=self.user,
            domain=self.domain,
            password=self.password,
            server=self.server,
            ca_files=(self.ca_file,),
            remember_password=False,
        )
