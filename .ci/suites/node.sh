#!/usr/bin/env bash
# OpenAI's SDK for JavaScript against the server. Needs the .venv of the README's commands; installs the rest.
set -euo pipefail
cd "$(dirname "$0")/../.."

.ci/need npm=npm
.venv/bin/pip install -q '.[serve,test]'
ASRCLI=$PWD/.venv/bin/asrcli
RECORDING=$(mktemp --suffix .wav)
trap 'rm -f "$RECORDING"' EXIT
.venv/bin/python tests/browser/recording.py "$RECORDING"
export ASRCLI RECORDING

cd tests/node
npm ci --silent --no-audit --no-fund
timeout 600 npm test --silent </dev/null
