# shellcheck shell=bash

cmd_clean() {
    rm -rf build console/node_modules tests/node_modules
}
