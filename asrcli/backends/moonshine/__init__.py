"""Moonshine on onnxruntime, several chunks at once.

sherpa-onnx decodes Moonshine one chunk at a time, and so do the model's own graphs: their matrix products quantise
activations with one scale for a whole tensor, so sequences in a batch would change each other's words. Here the same
weights, read from the same files, are put into graphs that keep a scale for each sequence: a batch gives each chunk
the words that it has alone.
"""

from asrcli.backends.sherpa.model_types import TYPES as _SHERPA_TYPES

TYPES = {"moonshine_v2": _SHERPA_TYPES["moonshine_v2"]}
