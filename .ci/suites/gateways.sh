#!/usr/bin/env bash
# LiteLLM's own package against our server. Apart from the test extra: it brings a hundred megabytes along.
set -euo pipefail
cd "$(dirname "$0")/../.."

.venv/bin/pip install -q '.[serve,test]' 'litellm>=1.80,<2'
.venv/bin/python -c 'import litellm' # without it the tests would only be skipped
.venv/bin/python -m pytest -q tests/server/gateways
