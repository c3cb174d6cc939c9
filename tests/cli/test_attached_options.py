"""Options that the running phone would have to ignore are refused, not ignored."""

from __future__ import annotations

import pytest

from softphone.cli.attached import INEFFECTIVE, refuse_ineffective
from softphone.cli.options import OWN_ENGINE_OPTIONS
from softphone.errors import FailureGroup, OperationFailed


@pytest.mark.parametrize("name", INEFFECTIVE)
def test_an_option_that_cannot_change_the_running_phone_is_wrong_use(name: str) -> None:
    with pytest.raises(OperationFailed) as refused:
        refuse_ineffective({name: "something"})
    assert refused.value.failure.group is FailureGroup.WRONG_USE
    assert "--" + name.replace("_", "-") in refused.value.failure.reason
    assert "--no-attach" in refused.value.failure.remedy


def test_every_option_of_a_call_decides_attaches_or_is_refused() -> None:
    """A new option must be put on one of the lists, or stand here because it works on the running phone too."""
    from softphone.cli.main import call

    works_attached = {
        *("account_name", "attach", "timeout", "json_lines", "log_level", "seconds", "digits", "uri", "user", "server"),
        "hide_identity",
    }
    named = {parameter.name for parameter in call.params} - works_attached
    assert named - set(OWN_ENGINE_OPTIONS) - set(INEFFECTIVE) == set()


def test_a_plain_call_is_not_refused() -> None:
    refuse_ineffective({"account_name": "work", "timeout": 30.0, "codecs": None})
