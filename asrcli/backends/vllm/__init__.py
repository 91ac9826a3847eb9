"""Speech recognisers that are language models, on vLLM: Qwen3-ASR, Whisper and other models that vLLM transcribes with.

Checked with vLLM 0.32.0, whose build for CPUs runs the tests.
"""
