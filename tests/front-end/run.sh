#!/usr/bin/env bash
# Compiles the TypeScript of docs/front-end.md, and runs what of it needs no browser against a `usher dev`: run.sh. Needs
# Node.js 20 or later, npm, and what builds usher.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --ignore-scripts
node extract.mjs
npx tsc -p .

cargo build --locked --quiet
usher=$(cd ../.. && cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug/usher
work=$(mktemp -d)
dev=
trap '[ -z "$dev" ] || kill "$dev" 2> /dev/null || true; rm -rf "$work"' EXIT
export XDG_RUNTIME_DIR="$work"
"$usher" dev --policy ../../config/policy.toml --listen 127.0.0.1:0 > "$work/out" 2> "$work/err" &
dev=$!
for _ in $(seq 300); do
    tail -n 1 "$work/out" | grep -q '^curl ' && break
    sleep 0.1
done
url=$(sed -n 's/^ *usher  *\(http[^ ]*\)$/\1/p' "$work/out")
node ask.mjs "$url" "$("$usher" session --sub alice --role customer --port "${url##*:}")"
