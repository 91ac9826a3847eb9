#!/usr/bin/env bash
# cpWER against meeteval. Apart from the test extra: its index has the source alone, which takes minutes to be compiled.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Unoptimised: the matrices of the tests are small, and the compiler takes longest.
export CFLAGS=-O0 CXXFLAGS=-O0
.venv/bin/pip install -q '.[test]' 'meeteval>=0.4.3'
.venv/bin/python -c 'import meeteval' # without it the test would only be skipped
.venv/bin/python -m pytest -q tests/evaluate/test_speaker_words.py
