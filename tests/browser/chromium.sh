#!/bin/sh
# Prints the path of a Chromium or Chrome; installs Debian's where there is none and that is possible.
set -eu

if [ -n "${THREADKEEP_CHROMIUM:-}" ]; then
    [ -x "$THREADKEEP_CHROMIUM" ] || { echo "THREADKEEP_CHROMIUM is $THREADKEEP_CHROMIUM, which is no program." >&2; exit 1; }
    echo "$THREADKEEP_CHROMIUM"
    exit 0
fi

find_one() {
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        command -v "$name" && exit 0
    done
    return 0
}

find_one
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "No Chromium found: installing the system's." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >&2 || true
    find_one
fi
echo "The tests of the page need Chromium, and there is none: install it (Debian and Ubuntu: apt-get install chromium)," \
    "or set THREADKEEP_CHROMIUM to the path of a Chromium or Chrome." >&2
exit 1
