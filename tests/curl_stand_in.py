"""A stand-in for curl with the options that the documentation uses: `python curl_stand_in.py …`."""

import argparse
import sys
import urllib.error
import urllib.request
from pathlib import Path


def install(folder: Path) -> Path:
    """Install the stand-in as `curl` in this folder, for the beginning of `PATH`. Return the folder."""
    folder.mkdir()
    shim = folder / "curl"
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "$@"\n')
    shim.chmod(0o755)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", dest="silent", action="store_true")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data", action="append")
    parser.add_argument("-w", dest="write_out", default="")
    options = parser.parse_args()

    data = "&".join(options.data).encode() if options.data else None
    request = urllib.request.Request(options.url, data, method=options.method)
    for header in options.headers:
        name, _, value = header.partition(": ")
        request.add_header(name, value)
    try:
        answer = urllib.request.urlopen(request, timeout=60)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        sys.stdout.write(answer.read().decode())
        sys.stdout.write(options.write_out.replace("%{http_code}", str(answer.status)).replace("\\n", "\n"))


if __name__ == "__main__":
    main()
