"""What the window needs of the binding to Qt, whose faults end the whole process."""

from __future__ import annotations

import sys

import pytest
from PySide6.QtWidgets import QLabel

pytestmark = pytest.mark.usefixtures("qapp")


def test_calls_into_qt_take_no_reference_from_none() -> None:
    """PySide6 6.12.0 takes one in every call that returns nothing. Before Python 3.12, where None became immortal, the
    interpreter ends itself after some thousands of them: a window lives for a minute or two of a call.
    """
    label = QLabel()
    before = sys.getrefcount(None)
    for _ in range(1000):
        label.setEnabled(True)
        label.hide()
    assert sys.getrefcount(None) > before - 500
