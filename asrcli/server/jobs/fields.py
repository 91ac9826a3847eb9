"""The form of `POST /v1/jobs`: the options of `asrcli transcribe` that are declared for jobs, under the same names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asrcli.options import CueOptions, TranscribeOptions
from asrcli.options.declarations import Declaration, declarations
from asrcli.options.values import GROUPS, OptionConflictError, cue_options, transcribe_options
from asrcli.server.errors import RequestError
from asrcli.server.http.values import hotwords

_OPTIONS: Mapping[str, Declaration] = {
    name: declaration for group in GROUPS for name, declaration in declarations(group).items() if declaration.option.job
}

#: every field that is an option, for the OpenAPI description
NAMES = ("model", *_OPTIONS)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job's client asked for."""

    model: str | None
    options: TranscribeOptions
    cues: CueOptions


def read_job_request(form: Mapping[str, str]) -> JobRequest:
    """Parse a job's options. An empty field counts as absent. Raises RequestError: an invalid value, or options that do
    not go together; `param` names the field.
    """
    values = {name: _value(_OPTIONS[name], text) for name, text in form.items() if text and name in _OPTIONS}
    try:
        options = transcribe_options(values, hotwords(form.get("hotwords", "")), spell=_spell)
        return JobRequest(form.get("model"), options, cue_options(values, spell=_spell))
    except OptionConflictError as error:
        raise RequestError(error.message, error.hint, param=error.options[0]) from error


def _spell(name: str) -> str:
    return f"`{name}`"


def _value(declaration: Declaration, text: str) -> Any:
    try:
        return declaration.parse(text)
    except ValueError as error:
        raise RequestError(f"`{declaration.name}`: {error}.", param=declaration.name) from error
