#!/usr/bin/env python3
"""Writes the C table of src/edge/console/assets.h from the built console folder.

    embed_console.py FOLDER OUTPUT.c [DEPFILE]

FOLDER is what `npm run build` in console/ leaves (index.html, assets/NAME.HASH.EXT). Where it
is absent the table holds one page saying that the console was not built, so a build of the
server needs neither node nor a network. The gzip form is made here, with no time stamp, so
that the same input always gives the same bytes. OUTPUT is left alone when nothing changed.
DEPFILE (make syntax) names the files read, and the nearest existing folder when there are
none, so that ninja runs this again when the console appears.
"""
import gzip
import hashlib
import os
import re
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
HASHED = re.compile(r"^assets/[^/]+\.[0-9A-Za-z]{8,}\.[a-z0-9]+$")
MISSING = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Signalbox</title>
<h1>The console was not built</h1>
<p>This server was compiled without its web console. Everything else works. To add it, run
<code>./dev build</code>, or <code>npm ci --ignore-scripts &amp;&amp; npm run build</code> in
<code>console/</code> and compile again.</p>
</html>
"""
WIDTH = 24  # bytes a line


def files_of(folder):
    """(path, bytes) of each file below folder but the precompressed ones, sorted bytewise."""
    found = []
    for base, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(base, name)
            path = os.path.relpath(full, folder).replace(os.sep, "/")
            if os.path.splitext(name)[1] not in TYPES:
                continue
            with open(full, "rb") as f:
                found.append((path, f.read()))
    return sorted(found, key=lambda item: item[0].encode())


def array(name, data):
    lines = [f"static const uint8_t {name}[{len(data)}] = {{"]
    for at in range(0, len(data), WIDTH):
        lines.append("    " + ",".join(str(b) for b in data[at:at + WIDTH]) + ",")
    lines.append("};")
    return "\n".join(lines)


def text(value):
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{(const uint8_t *)"{quoted}", {len(value.encode())}}}'


def render(files):
    arrays, rows = [], []
    for i, (path, data) in enumerate(files):
        packed = gzip.compress(data, 9, mtime=0)
        packed = packed if len(packed) < len(data) else b""
        digest = hashlib.sha256(data).hexdigest()[:20]
        arrays.append(f"/* {path} */\n" + array(f"body_{i}", data))
        if packed:
            arrays.append(array(f"gzip_{i}", packed))
        kind = TYPES[os.path.splitext(path)[1]]
        none = "{NULL, 0}"
        quoted_gzip = text('"' + digest + '-gzip"')
        rows.append(
            "    {\n"
            f"        .path = {text(path)},\n"
            f"        .content_type = {text(kind)},\n"
            f"        .etag = {text(chr(34) + digest + chr(34))},\n"
            f"        .etag_gzip = {quoted_gzip if packed else none},\n"
            f"        .body = {{body_{i}, sizeof(body_{i})}},\n"
            f"        .gzip = {f'{{gzip_{i}, sizeof(gzip_{i})}}' if packed else none},\n"
            f"        .immutable = {'true' if HASHED.match(path) else 'false'},\n"
            "    },"
        )
    table = "const struct console_asset console_assets[] = {\n" + "\n".join(rows) + "\n};"
    count = (
        "const size_t console_asset_count =\n"
        "    sizeof(console_assets) / sizeof(console_assets[0]);"
    )
    head = '/* Written by tools/embed_console.py. */\n#include "edge/console/assets.h"'
    return "\n\n".join([head] + arrays + [table, count]) + "\n"


def dependencies(folder, files):
    """What a change must make this run again."""
    paths = [os.path.join(folder, path) for path, _ in files]
    at = os.path.abspath(folder)
    while not os.path.isdir(at):
        at = os.path.dirname(at)
    paths.append(at)
    if os.path.isdir(os.path.join(folder, "assets")):
        paths.append(os.path.join(folder, "assets"))
    return paths


def main(argv):
    if len(argv) not in (3, 4):
        sys.exit(__doc__)
    folder, output = argv[1], argv[2]
    files = files_of(folder)
    if not any(path == "index.html" for path, _ in files):
        files = []
    content = render(files or [("index.html", MISSING)])
    try:
        with open(output, encoding="ascii") as f:
            same = f.read() == content
    except OSError:
        same = False
    if not same:
        with open(output, "w", encoding="ascii") as f:
            f.write(content)
    if len(argv) == 4:
        escaped = [p.replace(" ", "\\ ") for p in dependencies(folder, files)]
        with open(argv[3], "w", encoding="utf-8") as f:
            f.write(f"{output.replace(' ', chr(92) + ' ')}: {' '.join(escaped)}\n")


if __name__ == "__main__":
    main(sys.argv)
