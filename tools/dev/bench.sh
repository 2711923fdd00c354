# shellcheck shell=bash

# bench/run.* measures; what it takes as arguments is its own business.
cmd_bench() {
    need_packages build
    build_release
    local script
    for script in bench/run.mjs bench/run.py bench/run.sh; do
        [ -f "$script" ] || continue
        if [ -f bench/package.json ]; then npm_install bench; fi
        export SIGNALBOX_BIN=${SIGNALBOX_BIN:-$ROOT/build/release/signalbox}
        case $script in
            *.mjs) exec node "$script" "$@" ;;
            *.py) exec python3 "$script" "$@" ;;
            *) exec bash "$script" "$@" ;;
        esac
    done
    die "bench/ holds no run script"
}
