# Runs a game as its child, and writes down how it ended for whoever is there to read it.
#
#   sh keeper.sh FOLDER STATUS_FILE MEMORY_KIB OPEN_FILES NICE PROGRAM [ARGUMENT…]
#
# Leads the game's session and group, and so gets every signal that the game gets, but ends only with the game. Says the
# game's process number on standard output; the game gets standard error for both. A limit of 0 is none.

folder=$1 status_file=$2 memory_kib=$3 open_files=$4 nice=$5
shift 5
trap : HUP INT QUIT TERM USR1 USR2  # Not '': what is ignored here would be ignored by the game.
exec 3>&2 2>/dev/null  # A shell writes down there which signal has ended its child.
(
    read -r pid rest </proc/self/stat
    trap '' PIPE
    echo "$pid"
    trap - PIPE
    exec >&3 2>&3 3>&-
    cd "$folder" || exit 126
    unset OLDPWD
    [ "$memory_kib" = 0 ] || ulimit -v "$memory_kib" || exit 126
    [ "$open_files" = 0 ] || ulimit -n "$open_files" || exit 126
    [ "$nice" = 0 ] || set -- nice -n "$nice" "$@"
    exec "$@"
)
status=$?
umask 077
echo "$$ $status" >"$status_file"
exit "$status"
