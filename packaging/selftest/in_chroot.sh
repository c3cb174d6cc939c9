#!/usr/bin/env bash
# The gate of the frozen program: its self-test in a Debian that holds nothing but what packaging/libraries.py says the host
# must have. No Python, no PortAudio, no libopus, nothing of this checkout. Without a screen, then under Xvfb if there is one here.
#
#   sudo packaging/selftest/in_chroot.sh [FOLDER of the frozen program] [SUITE] [MIRROR]
#
# Needs root and debootstrap; takes some minutes the first time and keeps the system in build/chroot-SUITE.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

frozen=${1:-dist/softphone}
suite=${2:-bookworm}
mirror=${3:-}
chroot=build/chroot-$suite

if [ ! -e "$chroot/complete" ]; then
    rm -rf "$chroot"
    mkdir -p "$chroot"
    debootstrap --variant=minbase "$suite" "$chroot" ${mirror:+"$mirror"}
    # In the form of a Depends field: "a | b" is whichever name this release knows.
    PYTHONPATH=packaging python3 -c 'import libraries; print("\n".join(libraries.host_packages()))' >"$chroot/needs"
    chroot "$chroot" sh -ec '
        while IFS= read -r need; do
            for name in $(echo "$need" | tr "|" " "); do
                candidate=$(LC_ALL=C apt-cache policy "$name" | sed -n "s/^  Candidate: //p")
                [ -n "$candidate" ] && [ "$candidate" != "(none)" ] && { echo "$name"; break; }
            done
        done </needs | xargs env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends
    ' </dev/null
    touch "$chroot/complete"
fi
if [ -e "$chroot/usr/lib/x86_64-linux-gnu/libportaudio.so.2" ] || [ -e "$chroot/usr/bin/python3" ]; then
    echo "The chroot holds PortAudio or Python: it proves nothing." >&2
    exit 1
fi

rm -rf "$chroot/usr/lib/softphone"
cp -a "$frozen" "$chroot/usr/lib/softphone"
chroot "$chroot" id phone >/dev/null 2>&1 || chroot "$chroot" useradd --create-home phone

run() { # as a user without rights, in an environment of its own; the arguments are variables
    unshare --mount --pid --fork sh -ec '
        mount -t proc proc "$0/proc"
        mount --rbind /dev "$0/dev"
        exec chroot --userspec=phone:phone "$0" env -i HOME=/home/phone PATH=/usr/bin:/bin "$@" \
            sh -c "cd && exec /usr/lib/softphone/softphone selftest"
    ' "$chroot" "$@"
}

echo "Without a screen, in $suite:"
run

if command -v Xvfb >/dev/null; then
    echo "Under Xvfb, in $suite:"
    exec 3>"$chroot/display"
    Xvfb -displayfd 3 -nolisten unix -listen local -screen 0 1024x768x24 >/dev/null 2>&1 &
    screen=$!
    trap 'kill $screen' EXIT
    for _ in $(seq 50); do
        [ -s "$chroot/display" ] && break
        sleep 0.1
    done
    run DISPLAY=":$(cat "$chroot/display")" QT_QPA_PLATFORM=xcb
fi
