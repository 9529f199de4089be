#!/bin/sh
# Make docs/img/report.png: audit the shipped inventory, take a picture of the report.
# Needs root: it runs with a host name, a machine id and a network of its own, so that nothing of
# the machine that it is made on is in the picture. Usage: docs/picture.sh [python]
set -eu
cd "$(dirname "$0")/.."
if [ -z "${INSIDE:-}" ]; then
  exec env INSIDE=yes unshare --mount --uts --net sh "$0" "${1:-.venv/bin/python}"
fi
work=$(mktemp -d)
trap 'umount /etc/machine-id; rm -rf "$work"' EXIT
hostname audit-host
echo 0123456789abcdef0123456789abcdef >"$work/machine-id"
mount --bind "$work/machine-id" /etc/machine-id
ip link set lo up
"$1" -m pytest checks -p no:cacheprovider --audit-report=html="$work/report.html" || [ $? = 1 ]
chromium --headless --no-sandbox --disable-gpu --disable-quic --disable-dev-shm-usage \
  --no-first-run --disable-background-networking --disable-component-update --disable-sync \
  --user-data-dir="$work/profile" --hide-scrollbars --window-size=1200,1640 --virtual-time-budget=3000 \
  --screenshot=docs/img/report.png "file://$work/report.html"
