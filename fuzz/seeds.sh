#!/usr/bin/env bash
# Builds the fuzz targets, without instrumentation, and runs each over its seeds: seeds.sh. Needs a C++ compiler and no
# nightly toolchain.
set -euo pipefail
cd "$(dirname "$0")"
target_dir=${CARGO_TARGET_DIR:-$(cd .. && pwd)/target}
CARGO_TARGET_DIR=$target_dir cargo build --locked
for corpus in corpus/*/; do
    name=$(basename "$corpus")
    log=$(mktemp)
    # Given files, libFuzzer runs each of them once.
    if "$target_dir/debug/$name" "$corpus"* > "$log" 2>&1; then
        echo "$name: $(grep -c '^Executed ' "$log") seeds pass"
        rm "$log"
    else
        cat "$log"
        rm "$log"
        exit 1
    fi
done
