#!/usr/bin/env bash
# Mutation testing of the files of the pure packages that differ from main; of two small modules where none does. Stops
# after four minutes. Needs the .venv of the README's commands.
set -euo pipefail
cd "$(dirname "$0")/../.."

.venv/bin/pip install -q '.[mutate,test]'
base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD)
.venv/bin/python -m tools.mutate --since "$base" --otherwise asrcli/language_codes.py asrcli/batch/naming.py \
  --sample 60 --seconds 240 --least 0.8
