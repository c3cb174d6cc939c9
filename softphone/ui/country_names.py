"""The countries whose tones the phone knows, by the names people know. The table of tones is `dsp/tone_plan.py`'s."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def _tr(text: str) -> str:
    return QCoreApplication.translate("Countries", text)


def country_names() -> dict[str, str]:
    """By ISO 3166 code, in the order of the names."""
    names = {
        "AT": _tr("Austria"),
        "AU": _tr("Australia"),
        "BE": _tr("Belgium"),
        "BG": _tr("Bulgaria"),
        "BR": _tr("Brazil"),
        "CA": _tr("Canada"),
        "CH": _tr("Switzerland"),
        "CN": _tr("China"),
        "CZ": _tr("Czechia"),
        "DE": _tr("Germany"),
        "DK": _tr("Denmark"),
        "ES": _tr("Spain"),
        "FI": _tr("Finland"),
        "FR": _tr("France"),
        "GB": _tr("United Kingdom"),
        "GR": _tr("Greece"),
        "HU": _tr("Hungary"),
        "IE": _tr("Ireland"),
        "IL": _tr("Israel"),
        "IN": _tr("India"),
        "IT": _tr("Italy"),
        "JP": _tr("Japan"),
        "KR": _tr("South Korea"),
        "MX": _tr("Mexico"),
        "NL": _tr("Netherlands"),
        "NO": _tr("Norway"),
        "NZ": _tr("New Zealand"),
        "PL": _tr("Poland"),
        "PT": _tr("Portugal"),
        "RU": _tr("Russia"),
        "SE": _tr("Sweden"),
        "SG": _tr("Singapore"),
        "TW": _tr("Taiwan"),
        "US": _tr("United States"),
        "ZA": _tr("South Africa"),
    }
    return dict(sorted(names.items(), key=lambda entry: entry[1].casefold()))
