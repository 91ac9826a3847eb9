#!/usr/bin/env bash
# The server's page in headless Chromium. Needs the .venv of the README's commands; installs the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

.ci/need chromium=chromium npm=npm
.venv/bin/pip install -q '.[serve,test]'
PYTHON=$PWD/.venv/bin/python
ASRCLI=$PWD/.venv/bin/asrcli
RECORDING=$(mktemp --suffix .wav)
trap 'rm -f "$RECORDING"' EXIT
.venv/bin/python tests/browser/recording.py "$RECORDING"
export PYTHON ASRCLI RECORDING

cd tests/browser
npm ci --silent --no-audit --no-fund
timeout 900 npm test --silent </dev/null
