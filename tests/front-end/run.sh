#!/usr/bin/env bash
# Compiles the TypeScript of docs/front-end.md, and runs what of it needs no browser against a `usher dev`: run.sh. Needs
# Node.js 20 or later, npm, and what builds usher.
set -euo pipefail
cd "$(dirname "$0")"
npm ci --no-audit --no-fund --ignore-scripts
node extract.mjs
npx tsc -p .

work=$(mktemp -d)
dev=
trap '[ -z "$dev" ] || kill "$dev" 2> /dev/null || true; rm -rf "$work"' EXIT
cd ../..
. tests/support/dev.sh
start_dev "$work" --policy config/policy.toml
node tests/front-end/ask.mjs "$url" "$("$usher" session --sub alice --role customer --port "${url##*:}")"
