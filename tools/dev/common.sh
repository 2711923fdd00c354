# shellcheck shell=bash
# Shared by every command of ./dev: where children may write, and the packages they need.

ROOT=$PWD
OWN_HOME=${HOME:-/}

say() { printf '\033[1m==\033[0m %s\n' "$*" >&2; }
die() {
    printf 'dev: %s\n' "$*" >&2
    exit 1
}

# Everything that tools would keep in a home directory stays under build/. A proxy or a registry
# that the user set up for npm is still read.
enclose() {
    mkdir -p build/home build/tmp
    if [ -z "${npm_config_userconfig:-}" ] && [ -r "$OWN_HOME/.npmrc" ]; then
        export npm_config_userconfig=$OWN_HOME/.npmrc
    fi
    export HOME=$ROOT/build/home TMPDIR=$ROOT/build/tmp
    export XDG_CACHE_HOME=$HOME/.cache XDG_CONFIG_HOME=$HOME/.config XDG_DATA_HOME=$HOME/.local
    export XDG_STATE_HOME=$HOME/.state npm_config_cache=$ROOT/build/npm
    export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false
    export PYTHONPYCACHEPREFIX=$ROOT/build/pycache
}
enclose

BUILD_PACKAGES=(gcc libc6-dev binutils pkg-config meson ninja-build python3 ca-certificates
    libssl-dev libsqlite3-dev zlib1g-dev libjansson-dev libargon2-dev libxxhash-dev
    libcurl4-openssl-dev libmagic-dev)
TEST_PACKAGES=(git libcmocka-dev clang llvm clang-tidy clang-format cppcheck shellcheck gcovr
    chromium fonts-liberation python3-websockets python3-socketio python3-aiohttp python3-requests
    python3-websocket curl nginx-light haproxy openssl)

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and there is no sudo; as root: $*"
    fi
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# A service that a package brings must not start: policy-rc.d says so while apt runs, and what
# stood there before is put back whatever happens.
apt_install() {
    say "installing: $*"
    as_root env DEBIAN_FRONTEND=noninteractive bash -s -- "$@" <<'TEXT'
policy=/usr/sbin/policy-rc.d
kept=
[ -e "$policy" ] && kept=$(mktemp) && cp -p "$policy" "$kept"
restore() {
    if [ -n "$kept" ]; then cp -p "$kept" "$policy" && rm -f "$kept"; else rm -f "$policy"; fi
}
trap restore EXIT
printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
install() { apt-get install -y -q --no-install-recommends "$@" </dev/null; }
install "$@" && exit
apt-get update -q </dev/null && install "$@"
TEXT
}

missing=()
need_package() { installed "$1" || missing+=("$1"); }

# NodeSource's nodejs conflicts with Debian's npm, so a usable pair is taken as it is.
need_node() {
    local major
    major=$(node --version 2>/dev/null | sed 's/^v\([0-9]*\).*/\1/') || true
    if [ "${major:-0}" -lt 18 ] || ! command -v npm >/dev/null; then
        missing+=(nodejs npm)
    fi
}

install_missing() {
    [ ${#missing[@]} -eq 0 ] || apt_install "${missing[@]}" || die "apt-get failed"
    missing=()
}

# need_packages build|test: after the first time one comparison of two file dates.
need_packages() {
    local stamp=build/.packages-$1 p
    [ "$stamp" -nt /var/lib/dpkg/status ] && [ "$stamp" -nt tools/dev/common.sh ] && return
    if ! command -v apt-get >/dev/null; then
        say "no apt-get here; install the equivalents of: ${BUILD_PACKAGES[*]} nodejs npm"
        [ "$1" = build ] || say "and for the tests: ${TEST_PACKAGES[*]}"
        return
    fi
    for p in "${BUILD_PACKAGES[@]}"; do need_package "$p"; done
    need_node
    if [ "$1" = test ]; then
        for p in "${TEST_PACKAGES[@]}"; do need_package "$p"; done
    fi
    install_missing
    if [ "$1" = test ]; then
        # The sanitizers' run-time library is packaged by clang's own version.
        need_package "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
        install_missing
        # A clamd of the tests' own, on signatures of their own; nothing else is skipped.
        installed clamav-daemon || apt_install clamav-daemon ||
            say "no clamav-daemon: what needs a real scanner is skipped"
        installed lld || apt_install lld || say "no lld: tests are linked by ld, in twice the time"
    fi
    : >"$stamp"
}

# npm_install DIR: node_modules as the lock file says, only when it has changed.
npm_install() {
    [ "$1/node_modules/.package-lock.json" -nt "$1/package-lock.json" ] && return
    say "npm ci in $1"
    (cd "$1" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null)
    touch "$1/node_modules/.package-lock.json"
}

# changed STAMP PATH...: whether anything under the paths is newer than the stamp (deleting a
# file changes its folder).
changed() {
    local stamp=$1
    shift
    [ -e "$stamp" ] || return 0
    [ -n "$(find "$@" -name node_modules -prune -o -newer "$stamp" -print -quit 2>/dev/null)" ]
}
