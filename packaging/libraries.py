"""Which of the build machine's system libraries go into the frozen program, and which the host must have.

Owns: the two tables. `softphone.spec` stops at a library that neither of them names; packages of the program depend on
the host's column.
"""

from __future__ import annotations

import fnmatch

BUNDLED = (
    "libbz2.so.*",
    "libcrypto.so.*",
    "libexpat.so.*",  # of Debian's own Python, as libmpdec is
    "libffi.so.*",
    "liblzma.so.*",
    "libmpdec.so.*",
    "libopus.so.*",
    "libportaudio.so.*",
    "libssl.so.*",
    "libuuid.so.*",
    "libz.so.*",
)

# They belong to the host's kernel, drivers, servers and settings. Beside each, Debian's package (the first name that a
# release knows). libpulse is looked for while running: without it there is ALSA alone.
HOST = {
    "ld-linux-*.so.*": "libc6",
    "libc.so.6": "libc6",
    "libdl.so.2": "libc6",
    "libm.so.6": "libc6",
    "libpthread.so.0": "libc6",
    "librt.so.1": "libc6",
    "libutil.so.1": "libc6",
    "libgcc_s.so.1": "libgcc-s1",
    "libstdc++.so.6": "libstdc++6",  # an older copy of our own would break the host's graphics drivers
    "libzstd.so.1": "libzstd1",
    "libasound.so.2": "libasound2t64 | libasound2",
    "libjack.so.0": "libjack-jackd2-0 | libjack0",  # Debian's PortAudio is linked to it
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libX11.so.6": "libx11-6",
    "libX11-xcb.so.1": "libx11-xcb1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
    "libfreetype.so.6": "libfreetype6",
    "libglib-2.0.so.0": "libglib2.0-0t64 | libglib2.0-0",
    "libgthread-2.0.so.0": "libglib2.0-0t64 | libglib2.0-0",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
    "libwayland-egl.so.1": "libwayland-egl1",
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-glx.so.0": "libxcb-glx0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render.so.0": "libxcb-render0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-shm.so.0": "libxcb-shm0",
    "libxcb-sync.so.1": "libxcb-sync1",
    "libxcb-util.so.1": "libxcb-util1",
    "libxcb-xfixes.so.0": "libxcb-xfixes0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
}


def is_bundled(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in BUNDLED)


def is_the_hosts(name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in HOST)


def host_packages() -> tuple[str, ...]:
    """Debian's packages, in the form of a Depends field's items, without libc's own."""
    return tuple(sorted(set(HOST.values()) - {"libc6"}))
