#!/usr/bin/env bash
# Measures FunASR's models at real size, with random weights, on a GPU, and writes benchmarks/gpu.json. At most 8 minutes, no
# network. Run it in an environment with the extras funasr and builtin, and torch for the GPU; for Qwen3-ASR, in one with
# qwen-asr instead: tools/device_check.sh --models Qwen3ASR --output benchmarks/gpu_qwen.json. To try it without a GPU:
#   tools/device_check.sh --device cpu --small --seconds 30 --output /tmp/cpu.json
set -euo pipefail
cd "$(dirname "$0")/.."

python=${PYTHON:-python3}
package=funasr
[[ "$*" == *Qwen3ASR* ]] && package=qwen_asr
"$python" -c "import $package, torch" || { echo "needs torch, and the extras builtin and funasr, or qwen-asr" >&2; exit 2; }
timeout 60 "$python" -m asrcli doctor || true
exec timeout 420 "$python" -m benchmarks device "$@"
