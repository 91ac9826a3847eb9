#!/usr/bin/env bash
# Measures FunASR's models at real size, with random weights, on a GPU, and writes benchmarks/gpu.json. At most 8 minutes, no
# network. Run it in an environment with the extras funasr and builtin, and torch for the GPU. To try it without one:
#   tools/device_check.sh --device cpu --small --seconds 30 --output /tmp/cpu.json
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
"$python" -c 'import funasr, torch' || { echo "needs: pip install '.[funasr,builtin]', and torch" >&2; exit 2; }
"$python" -m asrcli doctor || true
exec timeout 480 "$python" -m benchmarks device "$@"
