# shellcheck shell=bash

# The console is bundled first: the C build embeds what is in build/console.
build_console() {
    local stamp=build/.console
    [ -f console/package.json ] || return 0
    changed "$stamp" console || return 0
    npm_install console
    say "bundling the console"
    (cd console && node build.mjs) >&2
    : >"$stamp"
}

# setup_meson DIR [meson arguments]: once; ninja itself notices later changes of meson.build.
setup_meson() {
    local dir=$1
    shift
    [ -f "$dir/build.ninja" ] || meson setup "$dir" "$@" >"$dir.setup.log" 2>&1 ||
        { cat "$dir.setup.log" >&2 && return 1; }
}

release_flags=(--buildtype=release -Doptimization=2 -Ddebug=true -Db_lto=true -Dtests=false)
# Warnings stop the build where they were looked at: with the reference compiler of Debian 12.
warnings_as_errors() { [ "$(gcc -dumpversion | cut -d. -f1)" != 12 ] || echo -Dwerror=true; }

build_release() {
    local stamp=build/.release
    changed "$stamp" meson.build meson_options.txt src bench tests/meson.build tools console ||
        return 0
    build_console
    # shellcheck disable=SC2046
    CC=gcc setup_meson build/release "${release_flags[@]}" $(warnings_as_errors)
    : >"$stamp.next"
    say "building build/release/signalbox"
    ninja -C build/release >build/release.log 2>&1 ||
        { tail -n 60 build/release.log >&2 && return 1; }
    mv "$stamp.next" "$stamp"
}

cmd_build() {
    need_packages build
    build_release
    ls -l build/release/signalbox
}
