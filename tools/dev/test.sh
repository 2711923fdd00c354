# shellcheck shell=bash

cmd_test() {
    need_packages test
    if [ -f tests/package.json ]; then npm_install tests; fi
    build_console
    exec python3 tools/dev/test.py "$@"
}
