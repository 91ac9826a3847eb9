#!/usr/bin/env bash
# Every field of every protocol of the server with values that no client should send: 20,000 cases.
set -euo pipefail
cd "$(dirname "$0")/../.."

.venv/bin/pip install -q '.[serve,test]'
FUZZ_CASES=20000 timeout 900 .venv/bin/python -m pytest -q -n 2 --dist worksteal --timeout 600 tests/server/fuzz
