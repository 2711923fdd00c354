# shellcheck shell=bash

# Findings are kept in build/fuzz/findings; a fixed one belongs into tests/corpus/<target>/.
cmd_fuzz() {
    need_packages test
    local only=${1:-} seconds=${2:-60} target name
    CC=clang setup_meson build/fuzz -Dfuzz=true -Dtests=false -Dwerror=true -Doptimization=1 \
        -Db_sanitize=address,undefined -Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link
    ninja -C build/fuzz --quiet fuzzers
    mkdir -p build/fuzz/findings
    for target in build/fuzz/fuzz_*; do
        name=${target#build/fuzz/fuzz_}
        if [ ! -f "$target" ] || [ ! -x "$target" ]; then continue; fi
        [ -z "$only" ] || [ "$only" = "$name" ] || continue
        say "fuzz $name for $seconds s"
        mkdir -p "build/fuzz/corpus/$name"
        "$target" "build/fuzz/corpus/$name" "tests/corpus/$name" -max_total_time="$seconds" \
            -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
            -artifact_prefix="build/fuzz/findings/$name-"
    done
}
