# For scripts that need a running `usher dev`: `start_dev "$work" OPTIONS…`, in the repository, sets `usher` (the binary), `url`
# and `dev` (its process, for the script to end). What it says stands in `$work/out` and `$work/err`.
# shellcheck shell=bash

start_dev() {
    local work=$1
    shift
    cargo build --locked --quiet
    usher=$(cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/usher
    export XDG_RUNTIME_DIR="$work"
    "$usher" dev --listen 127.0.0.1:0 "$@" > "$work/out" 2> "$work/err" &
    # shellcheck disable=SC2034 # the script's
    dev=$!
    await_curl "$work/out"
    # shellcheck disable=SC2034 # the script's
    url=$(sed -n 's/^ *usher  *\(http[^ ]*\)$/\1/p' "$work/out")
}

# Waits for the line that `usher dev` prints last.
await_curl() {
    for _ in $(seq 300); do
        tail -n 1 "$1" | grep -q '^curl ' && return
        sleep 0.1
    done
}
