"""A request as arguments of FunASR's models, and their results as hypotheses, on torch and on vLLM."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from asrcli.backends.funasr.check import funasr_type
from asrcli.backends.funasr.results import read_result
from asrcli.backends.types import Hypothesis, ModelSpec
from asrcli.backends.vllm.options import OPTIONS as VLLM_OPTIONS
from asrcli.options import RecognitionOptions


def arguments_of(spec: ModelSpec, request: RecognitionOptions) -> dict[str, Any]:
    """Arguments of `inference` for a request."""
    row = funasr_type(spec)
    own = {name: spec.options[name] for name in row.own_options if name in spec.options}
    own = {name: value for name, value in own.items() if name not in VLLM_OPTIONS}
    asked: dict[str, Any] = {**row.fixed, **own}
    language = "" if request.language in {None, "auto"} else str(request.language)
    if language and row.takes_language:
        asked["language"] = row.language_names.get(language, language)
    if row.itn_option:
        asked[row.itn_option] = request.itn and bool(own.get(row.itn_option, True))
    phrases = [hotword.text for hotword in request.hotwords]
    if row.hotwords == "prompt":
        asked["hotwords"] = [*phrases, request.prompt] if request.prompt else phrases
    elif phrases:
        asked["hotword"] = phrases
    return asked


def hypothesis_of(
    spec: ModelSpec, result: Mapping[str, Any], duration: float, request: RecognitionOptions
) -> Hypothesis:
    """An item of what `inference` returns for a chunk of `duration` seconds."""
    row = funasr_type(spec)
    hypothesis = read_result(result, duration, tagged=row.tagged)
    if hypothesis.language is None and not row.tagged:
        asked = request.language if request.language not in {None, "auto"} else None
        only = spec.languages[0] if len(spec.languages) == 1 else None
        return replace(hypothesis, language=asked or only)
    return hypothesis
