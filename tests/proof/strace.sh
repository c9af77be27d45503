#!/bin/sh
# Prints the path of strace; installs the system's where there is none and that is possible.
set -eu

if [ -n "${THREADKEEP_STRACE:-}" ]; then
    [ -x "$THREADKEEP_STRACE" ] || { echo "THREADKEEP_STRACE is $THREADKEEP_STRACE, which is no program." >&2; exit 1; }
    echo "$THREADKEEP_STRACE"
    exit 0
fi

command -v strace && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "No strace found: installing the system's." >&2
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq strace; } >&2 || true
    command -v strace && exit 0
fi
echo "The proof that answered writes are on the disk needs strace, and there is none: install it (Debian and Ubuntu:" \
    "apt-get install strace), or set THREADKEEP_STRACE to its path." >&2
exit 1
