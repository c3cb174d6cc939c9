"""A fresh offer/answer session for a call: every call, retry and fork gets keys of its own (security.md "SDES")."""

from __future__ import annotations

from softphone.policy.media import MediaPolicy
from softphone.sdp.offer_answer import OfferAnswerSession
from softphone.ua.account import Account
from softphone.ua.host import TokenBytes


def new_offer_answer(account: Account, policy: MediaPolicy, token_bytes: TokenBytes) -> OfferAnswerSession:
    return OfferAnswerSession(policy, account.codecs, token_bytes)
