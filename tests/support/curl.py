"""As much of curl as the documentation's examples use, for machines that have none: nothing but Python is needed."""

import argparse
import sys
from http.client import HTTPConnection
from urllib.parse import quote, urlsplit

SAFE = "/?&=%.-_~:@!$'()*+,;"


def main() -> None:
    parser = argparse.ArgumentParser(prog="curl", allow_abbrev=False)
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true")
    parser.add_argument("-X")
    parser.add_argument("-H", action="append", default=[])
    parser.add_argument("-d")
    given = parser.parse_args()
    url = urlsplit(given.url)
    headers = dict(line.split(": ", 1) for line in given.H)
    body = None if given.d is None else given.d.encode()
    if body is not None:
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    connection = HTTPConnection(url.netloc, timeout=30)
    target = quote(f"{url.path}{'?' if url.query else ''}{url.query}", safe=SAFE)
    connection.request(given.X or ("GET" if body is None else "POST"), target, body, headers)
    response = connection.getresponse()
    if given.i:
        sys.stdout.write(f"HTTP/1.1 {response.status} {response.reason}\r\n")
        sys.stdout.writelines(f"{name}: {value}\r\n" for name, value in response.getheaders())
        sys.stdout.write("\r\n")
    sys.stdout.flush()
    sys.stdout.buffer.write(response.read())


if __name__ == "__main__":
    main()
