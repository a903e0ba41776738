#!/usr/bin/env bash
# Checks `/openapi.json` of a running `usher dev` against OpenAPI's own schema, and the service against it: run.sh. Needs
# Python 3.11 or later with venv, PyPI, and what builds usher. Everything it makes is in a directory that is removed.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
# How many requests there must have been for this to mean anything.
LEAST=2000

work=$(mktemp -d)
dev=
trap '[ -z "$dev" ] || kill "$dev" 2> /dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"

. tests/support/dev.sh
start_dev "$work" --policy "$here/policy.toml"

curl -sS "$url/openapi.json" > "$work/openapi.json"
"$work/venv/bin/openapi-spec-validator" "$work/openapi.json"

session=$("$usher" session --sub alice --role anything --port "${url##*:}")
# The seed is fixed, so what fails here is likely to fail again.
if ! (cd "$work" && venv/bin/schemathesis --config-file "$here/schemathesis.toml" run openapi.json --url "$url" \
    --header "Authorization: Bearer $session" --checks all --seed 8 --suppress-health-check all --no-color --warnings off \
    --generation-database none --report json --report-json-path report.json); then
    grep 'status=5' "$work/err" || true
    exit 1
fi

# Enough has been asked, and refusals and tokens are both among the answers.
cases=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["test_cases"]["generated"])' < "$work/report.json")
for status in 200 400 403 415 422; do
    count=$(grep -c "route=\"/chat-token\" status=$status" "$work/err" || true)
    echo "POST /chat-token: $count times $status"
    [ "$count" -gt 0 ] || { echo "not once $status"; exit 1; }
done
[ "$cases" -ge "$LEAST" ] || { echo "only $cases requests were made"; exit 1; }
