# shellcheck shell=bash

cmd_docs() {
    need_packages build
    build_release
    build/release/signalbox-docs "$@" docs
}
