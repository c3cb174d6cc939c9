"""The quality of a call in words: one for each step of the opinion score, and sentences for both directions."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QLocale

from softphone.rtp.quality import Quality
from softphone.state import CallView
from softphone.ua.media_report import CallQuality

LEVELS = 5
_FAIR = 2
# Least MOS of each level, best first: G.107 Annex B names them by how many users are satisfied.
_STEPS = ((4.3, 4), (4.0, 3), (3.6, 2), (3.1, 1), (0.0, 0))


def _tr(text: str) -> str:
    return QCoreApplication.translate("words", text)


def level(mos: float) -> int:
    """0 (bad) … 4 (excellent)."""
    return next(number for least, number in _STEPS if round(mos, 1) >= least)


def level_word(number: int) -> str:
    return (_tr("bad"), _tr("poor"), _tr("fair"), _tr("good"), _tr("excellent"))[number]


def score(quality: Quality | None) -> str:
    """“4.1, good”; “not known”."""
    if quality is None:
        return _tr("not known")
    return f"{number(quality.mos)}, {level_word(level(quality.mos))}"


def number(value: float, digits: int = 1) -> str:
    return QLocale().toString(float(value), "f", digits)


def worst_now(quality: CallQuality) -> int | None:
    """The level of the direction that is worse at present; None before either is known."""
    known = [level(one.mos) for one in (quality.heard_now, quality.said_now) if one is not None]
    return min(known) if known else None


def now(quality: CallQuality) -> str:
    """“Quality: good”; “Quality: poor for the other side” where that side suffers more. "" before it is known."""
    worst = worst_now(quality)
    if worst is None:
        return ""
    heard, said = quality.heard_now, quality.said_now
    if heard is not None and said is not None and worst <= _FAIR:
        if level(said.mos) < level(heard.mos):
            return _tr("Quality: %s for the other side") % level_word(worst)
        if level(heard.mos) < level(said.mos):
            return _tr("Quality: %s for you") % level_word(worst)
    return _tr("Quality: %s") % level_word(worst)


def now_tip(quality: CallQuality) -> str:
    """Both directions with their scores."""
    hear = _tr("You hear: %s") % score(quality.heard_now)
    heard = _tr("The other side hears: %s") % score(quality.said_now)
    return f"{hear}\n{heard}"


def over_all(call: CallView) -> str:
    """What an ended call was like: “Quality: good, 4.1; 1.2 % lost”. "" if it is not known."""
    whole = call.report.quality.heard if call.report is not None else None
    if whole is None:
        return ""
    lost = _tr("%s %% lost") % number(whole.loss * 100)
    text = f"{_tr('Quality: %s') % level_word(level(whole.mos))}, {number(whole.mos)}; {lost}"
    said = call.report.quality.said if call.report is not None else None
    if said is not None and level(said.mos) < level(whole.mos):
        text += f"; {_tr('for the other side %s') % score(said)}"
    return text


def summary(call: CallView) -> str:
    """Both directions over the whole call, in two sentences."""
    quality = call.report.quality if call.report is not None else CallQuality()
    sentences = []
    for whole, text in ((quality.heard, _tr("You heard")), (quality.said, _tr("The other side heard"))):
        if whole is None:
            sentences.append(f"{text}: {_tr('not known yet')}.")
            continue
        facts = (
            score(whole),
            _tr("%s %% lost") % number(whole.loss * 100),
            _tr("%s ms from mouth to ear") % number(whole.delay_ms, 0),
        )
        sentences.append(f"{text}: {'; '.join(facts)}.")
    return "\n".join(sentences)
