#!/bin/sh
# Makes sure that what tallyd is built and tested with is there: cargo, a C compiler and a Redis
# server. Says nothing where all is there. `setup.sh test` also wants rustfmt, clippy, Prometheus
# with its promtool, for the tests of deploy/prometheus/, and Chromium, for those of the pages.
#
# What is missing of the servers and Chromium is installed by the system's package manager. Only its program is
# wanted: tallyd and its tests start servers of their own, so the service that some packages bring
# is neither started nor enabled.
set -eu

have() {
    command -v "$1" >/dev/null 2>&1
}

say() {
    printf 'setup: %s\n' "$1" >&2
}

fail() {
    say "$1"
    exit 1
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif have sudo; then
        sudo "$@"
    else
        fail "to install $installing I need root: run this as root, or install $installing yourself"
    fi
}

need_cargo() {
    have cargo || fail "cargo is missing: install Rust (https://rustup.rs), then run this again"
}

need_c_compiler() {
    have "${CC:-cc}" && return
    if have apt-get; then
        fix="apt-get install build-essential"
    elif have dnf; then
        fix="dnf install gcc"
    elif [ "$(uname -s)" = Darwin ]; then
        fix="xcode-select --install"
    else
        fix="install gcc or clang"
    fi
    fail "a C compiler is missing (${CC:-cc}; the TLS library is built with it): $fix"
}

need_component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    have rustup || fail "cargo $1 is missing: install it from where your Rust came from"
    say "adding $2 by rustup"
    rustup component add "$2" >&2
}

have_redis() {
    have redis-server || have valkey-server
}

# Debian's packages start and enable their service. A policy-rc.d that says 101 forbids the start.
install_by_apt() {
    policy=/usr/sbin/policy-rc.d
    as_root apt-get update -qq >&2
    if [ ! -e "$policy" ]; then
        trap 'as_root rm -f "$policy"' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$1" >&2
    # It was not here before, so nobody relies on it running.
    if [ -d /run/systemd/system ] && systemctl cat "$1" >/dev/null 2>&1; then
        as_root systemctl disable --now "$1" >&2 || say "could not disable the service $1"
    fi
}

install_redis() {
    installing="redis-server (6.2 or newer)"
    if have apt-get; then
        say "installing redis-server by apt-get"
        install_by_apt redis-server
    elif have dnf; then
        say "installing redis, or else valkey, by dnf"
        as_root dnf install -y -q redis >&2 || as_root dnf install -y -q valkey >&2
    elif have brew; then
        say "installing redis by brew"
        brew install --quiet redis >&2
    else
        fail "redis-server is missing, and neither apt-get, dnf nor brew is here: install Redis (6.2 or newer) or Valkey so that redis-server or valkey-server is on the PATH"
    fi
    have_redis || fail "installed Redis, but neither redis-server nor valkey-server is on the PATH"
}

have_prometheus() {
    have prometheus && have promtool
}

# Without it the tests that need it say so, and are left out.
install_prometheus() {
    installing="prometheus (2.42 or newer)"
    if have apt-get; then
        say "installing prometheus by apt-get"
        install_by_apt prometheus
    elif have brew; then
        say "installing prometheus by brew"
        brew install --quiet prometheus >&2
    else
        say "prometheus is missing, and neither apt-get nor brew is here: its rules are not tested"
        return
    fi
    have_prometheus || fail "installed Prometheus, but prometheus or promtool is not on the PATH"
}

have_chromium() {
    have chromium || have chromium-browser || have google-chrome || have chrome
}

# Without it the tests of the pages say so, and are left out.
install_chromium() {
    installing="chromium"
    if have apt-get && apt-cache show chromium >/dev/null 2>&1; then
        say "installing chromium by apt-get"
        install_by_apt chromium
    else
        say "Chromium is missing, and no package of it is known here: the pages are not tested"
        return
    fi
    have_chromium || fail "installed Chromium, but chromium is not on the PATH"
}

need_cargo
need_c_compiler
if [ "${1:-}" = test ]; then
    need_component fmt rustfmt
    need_component clippy clippy
fi
have_redis || install_redis
if [ "${1:-}" = test ]; then
    have_prometheus || install_prometheus
    have_chromium || install_chromium
fi
