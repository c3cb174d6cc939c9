"""The table of tones in the guide for administrators is the one that is played."""

from __future__ import annotations

from pathlib import Path

from softphone.dsp.tone import Tone
from softphone.dsp.tone_plan import EUROPE, PLANS, TonePlan

GUIDE = (Path(__file__).parents[2] / "docs" / "admin-guide.md").read_text()


def written(tone: Tone) -> str:
    """As E.180 writes it: Hz, then seconds on and off in turn."""
    hertz = "+".join(f"{frequency:g}" for frequency in tone.frequencies)
    swell = f"×{tone.modulation:g}" if tone.modulation else ""
    return f"{hertz}{swell} {'/'.join(f'{ms / 1000:g}' for pair in tone.cadence for ms in pair)}"


def row(name: str, plan: TonePlan) -> str:
    return f"| {name} | {' | '.join(map(written, (plan.ringback, plan.busy, plan.congestion, plan.call_waiting)))} |"


def test_every_country_has_its_row() -> None:
    missing = [line for code, plan in PLANS.items() if (line := row(f"`{code}`", plan)) not in GUIDE]
    assert missing == []
    assert row("any other", EUROPE) in GUIDE
