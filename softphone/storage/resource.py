"""Where the files of `resources/` are: in a checkout, in an installed wheel, in a frozen program.

Owns: that one question. Must not know: what any resource is for.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import softphone


def resource_path(relative: str) -> Path:
    """The file or folder `relative` (with forward slashes) of `resources/`, as a path that exists.

    ValueError if `relative` is absolute or climbs out; FileNotFoundError if this installation does not have it.
    """
    wanted = PurePosixPath(relative)
    if wanted.is_absolute() or ".." in wanted.parts or "\\" in relative or ":" in relative:
        msg = f"not a path inside the resources: {relative!r}"
        raise ValueError(msg)
    path = _root(Path(softphone.__file__).parent) / wanted
    if not path.exists():
        msg = f"this installation has no resource {relative!r} (looked for {path})"
        raise FileNotFoundError(msg)
    return path


def _root(package: Path) -> Path:
    """The resources beside the modules (wheel, PyInstaller); in a checkout, beside the package."""
    checkout = package.parent
    # Without pyproject.toml beside it the parent is site-packages, where `resources` would be somebody else's.
    if (checkout / "pyproject.toml").is_file():
        return checkout / "resources"
    return package / "resources"
