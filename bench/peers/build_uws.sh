#!/usr/bin/env bash
# Builds bench/peers/uws_server.cpp against checkouts of uWebSockets and uSockets (epoll, no TLS)
# that lie outside this tree:
#
#     bench/peers/build_uws.sh UWS_DIR OUT      UWS_DIR holds uWebSockets/ and uSockets/
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
uws=$1
out=$2
flags=(-O3 -flto -DLIBUS_NO_SSL -DUWS_NO_ZLIB -I "$uws/uSockets/src")
objects=$(mktemp -d)
trap 'rm -rf "$objects"' EXIT
for source in bsd context loop socket udp eventing/epoll_kqueue; do
    gcc "${flags[@]}" -std=c11 -c "$uws/uSockets/src/$source.c" -o "$objects/$(basename "$source").o"
done
g++ "${flags[@]}" -std=c++20 -I "$uws/uWebSockets/src" "$here/uws_server.cpp" "$objects"/*.o \
    -o "$out" -pthread
