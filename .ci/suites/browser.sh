#!/usr/bin/env bash
# The server's page in headless Chromium. Needs the .venv of the README's commands; installs the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

need() { command -v "$1" >/dev/null || missing+=("$2"); }
missing=()
need chromium chromium
need npm npm
if [ ${#missing[@]} -gt 0 ]; then
  as_root=$([ "$(id -u)" -eq 0 ] || echo sudo)
  $as_root apt-get update -qq
  $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

.venv/bin/pip install -q '.[serve,test]'
PYTHON=$PWD/.venv/bin/python
ASRCLI=$PWD/.venv/bin/asrcli
RECORDING=$(mktemp --suffix .wav)
trap 'rm -f "$RECORDING"' EXIT
.venv/bin/python tests/browser/recording.py "$RECORDING"
export PYTHON ASRCLI RECORDING

cd tests/browser
npm ci --silent --no-audit --no-fund
timeout 1300 npm test --silent </dev/null
