"""One audio device to choose, by the name people know, or what is followed instead, which is a choice of its own."""

from __future__ import annotations

from PySide6.QtWidgets import QSizePolicy, QWidget

from softphone.messages import AudioDeviceView, DeviceKind
from softphone.ui.choices import Choice
from softphone.ui.texts import foreign


class DeviceChoice(Choice):
    """`chosen` is a device's id, or "" for what `follows` names. A chosen device that is not there stays named."""

    def __init__(self, kind: DeviceKind, follows: str = "", parent: QWidget | None = None) -> None:
        """Without `follows` it is the system's default, named with the device that this is at present."""
        super().__init__(parent)
        self._kind, self._follows = kind, follows
        self._shown: tuple[tuple[str, str], ...] = ()
        self.setSizeAdjustPolicy(Choice.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(12)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def chosen(self) -> str:
        return str(self.currentData() or "")

    def render_devices(self, devices: tuple[AudioDeviceView, ...], chosen: str) -> None:
        own = [device for device in devices if device.kind is self._kind]
        items = [("", self._follows or self._system_default(own))]
        items += [(device.id, foreign(device.name)) for device in own]
        if chosen and chosen not in [device.id for device in own]:
            items.append((chosen, self.tr("%s (not connected)") % foreign(chosen)))
        if tuple(items) != self._shown:
            self._shown = tuple(items)
            self.clear()
            for device_id, text in items:
                self.addItem(text, device_id)
        self.setCurrentIndex([device_id for device_id, _ in items].index(chosen))

    def _system_default(self, devices: list[AudioDeviceView]) -> str:
        default = next((device.name for device in devices if device.is_default), "")
        follow = self.tr("System default")
        return f"{follow} ({foreign(default)})" if default else follow
