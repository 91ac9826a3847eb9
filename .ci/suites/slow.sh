#!/usr/bin/env bash
# The tests that the README's second command leaves out, because each takes long. Needs the .venv of the README's commands.
set -euo pipefail
cd "$(dirname "$0")/../.."

timeout 1800 .venv/bin/python -m pytest -q -n 2 --dist worksteal -m slow </dev/null
