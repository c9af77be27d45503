#!/bin/sh
# Prints the path of a Chromium or Chrome: Debian's without a desktop, which is installed where that is possible, or any.
set -eu

if [ -n "${THREADKEEP_CHROMIUM:-}" ]; then
    [ -x "$THREADKEEP_CHROMIUM" ] || { echo "THREADKEEP_CHROMIUM is $THREADKEEP_CHROMIUM, which is no program." >&2; exit 1; }
    echo "$THREADKEEP_CHROMIUM"
    exit 0
fi

find_one() {
    for name in "$@"; do
        command -v "$name" && exit 0
    done
    return 0
}

# The same Chromium without the windows of a desktop: a third less to compute.
LIGHT=chromium-headless-shell

find_one $LIGHT
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "No $LIGHT found: installing the system's." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $LIGHT; } >&2 || true
fi
find_one $LIGHT chromium chromium-browser google-chrome google-chrome-stable
echo "The tests of the page need Chromium, and there is none: install it (Debian and Ubuntu: apt-get install chromium-headless-shell)," \
    "or set THREADKEEP_CHROMIUM to the path of a Chromium or Chrome." >&2
exit 1
