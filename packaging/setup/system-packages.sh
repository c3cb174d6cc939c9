# shellcheck shell=bash
# Sourced by setup.sh. One function, `install_packages`: reads needs from standard input ("a | b" a line, # comments) and
# installs what is missing by apt where that is allowed; elsewhere it says what to install and goes on. It never fails: what
# cannot be installed shows itself where it is needed.

as_root() { # runs a command as root, or fails if that needs a password
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

can_be_root() { [ "$(id -u)" = 0 ] || { command -v sudo && sudo -n true; } >/dev/null 2>&1; }

installed_packages() { # their names, one a line
    dpkg-query --show --showformat '${db:Status-Status} ${Package}\n' | sed -n 's/^installed //p'
}

missing_needs() { # from standard input, the needs that no installed package meets; without comments
    sed -e 's/#.*//' -e '/^[[:space:]]*$/d' | awk '
        NR == FNR { installed[$1]; next }
        { met = 0; for (i = 1; i <= NF; i++) if ($i in installed) met = 1; if (!met) print }
    ' <(installed_packages) -
}

known_names() { # for every need on standard input the first name that apt can install; "? need" if none
    local needs candidates
    needs=$(cat)
    # A name that apt knows only from other packages' dependencies has the candidate "(none)".
    # shellcheck disable=SC2046 # one word a name
    candidates=$(LC_ALL=C apt-cache policy $(tr '|' ' ' <<<"$needs") |
        awk '/^[^ ]/ { name = $1; sub(/:$/, "", name) } $1 == "Candidate:" && $2 != "(none)" { print name }')
    awk '
        NR == FNR { known[$1]; next }
        { for (i = 1; i <= NF; i++) if ($i in known) { print $i; next } print "? " $0 }
    ' <(echo "$candidates") - <<<"$needs"
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" </dev/null
}

keep_daemons_from_starting() { # a policy-rc.d that says no (101), for the time of the installation
    local policy=/usr/sbin/policy-rc.d
    daemon_policy_backup=
    if [ -e "$policy" ]; then
        daemon_policy_backup=$policy.softphone-setup
        as_root mv "$policy" "$daemon_policy_backup"
    fi
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

let_daemons_start() {
    if [ -n "$daemon_policy_backup" ]; then
        as_root mv "$daemon_policy_backup" /usr/sbin/policy-rc.d
    else
        as_root rm -f /usr/sbin/policy-rc.d
    fi
}

in_one_line() { tr '\n' ',' | sed 's/,$//; s/,/, /g'; }

install_packages() {
    local missing names unknown name record
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is not Debian or Ubuntu: install what packaging/setup/packages-*.txt names with your system's own tools." >&2
        return 0
    fi
    # What apt did not know last time is not asked for again.
    record=.cache/unavailable-packages
    mkdir -p "$(dirname "$record")"
    touch "$record"
    missing=$(missing_needs | grep -vxF -f "$record" || true)
    if [ -s "$record" ]; then
        echo "Not available on this system: $(in_one_line <"$record"). (Delete $record to look again.)" >&2
    fi
    [ -n "$missing" ] || return 0
    if ! can_be_root; then
        echo "These system packages are missing, and installing them needs root:" >&2
        sed 's/^/    /' <<<"$missing" >&2
        echo "Install them with:  sudo apt-get install $(sed 's/.*| *//' <<<"$missing" | tr '\n' ' ')" >&2
        echo "Going on without them." >&2
        return 0
    fi

    as_root apt-get -o DPkg::Lock::Timeout=300 update </dev/null || echo "apt-get update failed; going on with the lists there are." >&2
    names=$(known_names <<<"$missing")
    unknown=$(sed -n 's/^? //p' <<<"$names")
    names=$(sed '/^? /d' <<<"$names")
    if [ -n "$names" ]; then
        keep_daemons_from_starting
        trap let_daemons_start EXIT
        # shellcheck disable=SC2086 # one word a package
        if ! apt_install $names; then
            echo "Installing them together failed; trying one by one." >&2
            for name in $names; do
                apt_install "$name" || echo "Could not install $name." >&2
            done
        fi
        let_daemons_start
        trap - EXIT
    fi
    if [ -n "$unknown" ]; then
        echo "This release has no package for: $(in_one_line <<<"$unknown")" >&2
        printf '%s\n' "$unknown" >>"$record"
    fi
}
