"""Qwen3-ASR with its own package, qwen-asr, on torch or on vLLM.

FunASR's class for it calls the same package, but cuts word times to whole seconds.
"""
