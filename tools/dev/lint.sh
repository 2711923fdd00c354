# shellcheck shell=bash

# clang_tidy CHECKS FILE...: .clang-tidy's checks and those on top.
clang_tidy() {
    local checks=$1
    shift
    [ $# -gt 0 ] || return 0
    printf '%s\n' "$@" | xargs -P "$(nproc)" -n 4 clang-tidy -p build/lint --quiet \
        ${checks:+--checks="$checks"} 2>build/lint/stderr.log
}

cmd_lint() {
    need_packages test
    local failed=0 sources=()
    say "tidy"
    tools/tidy || failed=1
    say "shellcheck"
    shellcheck -x dev .ci/run tools/dev/*.sh || failed=1
    # clang-tidy reads compile_commands.json, so it needs a build made with clang.
    CC=clang setup_meson build/lint -Dwerror=true
    ninja -C build/lint build.ninja >/dev/null
    say "clang-tidy"
    mapfile -t sources < <(git ls-files 'src/*.c' 'bench/*.c' 'tools/*.c' | grep -vE '_(test|fuzz)\.c$')
    clang_tidy '' "${sources[@]}" || failed=1
    # The analyzer does not know that a failed assertion of cmocka ends the test.
    mapfile -t sources < <(git ls-files 'src/*_test.c' 'tests/*.c')
    clang_tidy '-clang-analyzer-*' "${sources[@]}" || failed=1
    say "cppcheck"
    mkdir -p build/lint/cppcheck
    cppcheck -j "$(nproc)" --quiet --std=c11 --enable=warning,performance,portability \
        --inline-suppr --suppressions-list=tools/cppcheck.txt --error-exitcode=1 \
        --cppcheck-build-dir=build/lint/cppcheck -I src -D_GNU_SOURCE src || failed=1
    if [ -f console/package.json ]; then
        say "console"
        npm_install console && (cd console && npm run --silent check) || failed=1
    fi
    [ "$failed" = 0 ] || die "lint found something"
    say "clean"
}
