#!/usr/bin/env bash
# Checks the alerts, when each is on, and that Prometheus reads every query of the dashboard: validate.sh. Needs promtool
# (without one, apt-get's, which is unpacked and not installed) and python3.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

promtool=$(command -v promtool || true)
if [ -z "$promtool" ]; then
    chmod 755 "$work"
    (cd "$work" && apt-get download -qq prometheus 2> /dev/null && dpkg-deb -x prometheus_*.deb .)
    promtool=$work/usr/bin/promtool
fi

"$promtool" check rules alerts.yml
"$promtool" test rules alerts.test.yml

# Each query as a rule of its own (JSON is YAML), with Grafana's variables filled in.
python3 - ../grafana/usher.json > "$work/dashboard.yml" <<'PYTHON'
import json, sys

dashboard = json.load(open(sys.argv[1]))
queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
queries += [annotation["expr"] for annotation in dashboard["annotations"]["list"] if "expr" in annotation]
for name, value in {"$instance": ".*", "$__rate_interval": "1m", "$max_in_flight": "256"}.items():
    queries = [query.replace(name, value) for query in queries]
unknown = [query for query in queries if "$" in query]
assert queries and not unknown, unknown
rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, sys.stdout)
PYTHON
"$promtool" check rules "$work/dashboard.yml"
