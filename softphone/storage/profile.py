"""Where this program keeps its files: one profile per user, or the one that is named for tests and scripts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APPLICATION = "softphone"


@dataclass(frozen=True, slots=True)
class Profile:
    """`config` for settings, `state` for the journal and logs, `runtime` for the lock and the link's socket.

    `data` for what a person keeps; None: beside the state.
    """

    config: Path
    state: Path
    runtime: Path
    data: Path | None = None

    @property
    def settings_file(self) -> Path:
        return self.config / "settings.toml"

    @property
    def journal_file(self) -> Path:
        return self.state / "open-dialogs.json"

    @property
    def instance_file(self) -> Path:
        return self.state / "instance-id"

    @property
    def recordings(self) -> Path:
        return (self.data or self.state) / "recordings"

    @property
    def engine_log(self) -> Path:
        return self.state / "engine.log"


def user_profile() -> Profile:
    """The user's own; `SOFTPHONE_PROFILE` names another directory that holds all of it."""
    named = os.environ.get("SOFTPHONE_PROFILE")
    if named:
        base = Path(named).absolute()
        return Profile(base, base, base / "run")
    dirs = platformdirs.PlatformDirs(APPLICATION, appauthor=False)
    runtime = _runtime(dirs.user_state_dir) / APPLICATION
    return Profile(Path(dirs.user_config_dir), Path(dirs.user_state_dir), runtime, Path(dirs.user_data_dir))


def _runtime(state: str) -> Path:
    """The session's private folder, also for who was started without its variable (cron, ssh): one engine, one lock."""
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    if Path(named).is_absolute():
        return Path(named)
    if sys.platform == "linux":
        usual = Path(f"/run/user/{os.geteuid()}")
        if usual.is_dir() and os.access(usual, os.W_OK):
            return usual
    return Path(state)
