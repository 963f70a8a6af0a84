#!/usr/bin/env bash
# Installs the programs that tests drive and that no Python package brings: a browser, curl, wrk, openssl, the servers of
# the databases, a real game server, and what makes network namespaces and their firewalls. What cannot be installed is
# named, and the tests that need it are skipped (with CI set, they fail).
# Debian and its relatives; elsewhere, install them by hand.
#
# No service is started and no database cluster is made: the tests start servers of their own, on data folders and ports
# of their own.
set -uo pipefail

# The package that brings each program.
declare -A packages=(
    [chromium]=chromium [curl]=curl [wrk]=wrk [openssl]=openssl [mariadbd]=mariadb-server-core [my_print_defaults]=mariadb-client-core [postgres]=postgresql
    [teeworlds-server]=teeworlds-server [nft]=nftables [ip]=iproute2
)

# `tests/tools.sh big-games`: those of `make big-games` alone.
if [ "${1:-}" = big-games ]; then
    packages=([openarena-server]=openarena-server [minetestserver]=minetest-server [freeciv-server]=freeciv-server)
fi

find_missing() {
    missing=()
    for tool in "${!packages[@]}"; do
        command -v "$tool" >/dev/null || [ -x "/usr/sbin/$tool" ] || [ -x "/usr/games/$tool" ] ||
            compgen -G "/usr/lib/postgresql/*/bin/$tool" >/dev/null || missing+=("$tool")
    done
}

install() {
    timeout 900 "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

# Debian's package would make a cluster for itself, and start it at the next boot.
install_postgresql() {
    local settings=/etc/postgresql-common/createcluster.conf
    install postgresql-common || return
    "${as_root[@]}" cp -p "$settings" "$settings.before-tests"
    echo "create_main_cluster = false" | "${as_root[@]}" tee -a "$settings"
    install postgresql
    "${as_root[@]}" mv "$settings.before-tests" "$settings"
}

# Debian's packages of games would have a server of their own run, from now or the next boot on.
install_game() {
    install "$@" || return
    ! command -v systemctl || "${as_root[@]}" systemctl disable --now "$1.service"
}

find_missing
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo -n)
if command -v apt-get >/dev/null && "${as_root[@]}" true 2>/dev/null; then
    echo "Installing ${missing[*]} for the tests (once) ..."
    {
        timeout 300 "${as_root[@]}" apt-get update -qq
        for tool in "${missing[@]}"; do
            if [ "$tool" = postgres ]; then
                install_postgresql
            elif [ "$tool" = openarena-server ]; then
                install_game openarena-server openarena-data
            elif [[ ${packages[$tool]} == *-server && $tool == *server ]]; then
                install_game "${packages[$tool]}"
            else
                install "${packages[$tool]}"
            fi
        done
    } >/dev/null 2>&1 </dev/null
fi
find_missing
for tool in "${missing[@]}"; do
    echo "$tool is not here and could not be installed: its tests are skipped." >&2
done
exit 0
