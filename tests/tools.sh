#!/usr/bin/env bash
# Installs the programs that tests drive and that no Python package brings: a browser, curl and wrk.
# What cannot be installed is named, and the tests that need it are skipped. Debian and its relatives; elsewhere, install
# them by hand.
set -uo pipefail

missing=()
for tool in chromium curl wrk; do
    command -v "$tool" >/dev/null || missing+=("$tool")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing ${missing[*]} for the tests (once) ..."
    export DEBIAN_FRONTEND=noninteractive
    {
        timeout 300 "${as_root[@]}" apt-get update -qq
        for tool in "${missing[@]}"; do
            timeout 900 "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$tool"
        done
    } >/dev/null 2>&1 </dev/null
fi
for tool in "${missing[@]}"; do
    command -v "$tool" >/dev/null || echo "$tool is not here and could not be installed: its tests are skipped." >&2
done
