# shellcheck shell=bash

cmd_test() {
    need_packages test
    if [ -f tests/package.json ]; then npm_install tests; fi
    build_console
    # What killed tests left behind, a day later: nothing that is running is touched.
    find build/tmp -mindepth 1 -maxdepth 1 -mmin +1440 -exec rm -rf {} +
    exec python3 tools/dev/test.py "$@"
}
