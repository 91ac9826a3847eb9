"""Checks for everything over which sherpa-onnx would end its process.

They run in our process when a model is chosen and for each request that names a language or hotwords, and again in the
engine process when the model is loaded. What is read from files is cached.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asrcli.backends.checks import check_language, model_type
from asrcli.backends.model_type import ANY, POSITIVE, ModelType, OptionCheck, one_of
from asrcli.backends.sherpa.device import check_device
from asrcli.backends.sherpa.exports import explanation
from asrcli.backends.sherpa.hotwords import check_beam
from asrcli.backends.sherpa.model_types import PATH_OPTIONS, TOKENIZER_FILES, SherpaType
from asrcli.backends.sherpa.prompt import prompt_tokens
from asrcli.backends.sherpa.token_table import check_tokens, read_tokens
from asrcli.backends.types import Checks, ModelSpec, check_files, check_options
from asrcli.errors import ModelError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions
from asrcli.storage.onnx_file import output_size, read_metadata

#: how Canary's vocabulary writes a language; its other marks are longer
_LANGUAGE_TOKEN = re.compile(r"<\|([a-z]{2})\|>")

#: types whose vocabulary the engine counts, and how many tokens it has beyond `vocab_size` (NeMo's blank)
_COUNTED = {"nemo_transducer": 1, "canary": 0}

#: part of a model's classes that must have a token; some exports have a few unused classes
_SPOKEN = 0.9

#: metadata of SenseVoice, but not of Fun-ASR-Nano's CTC branch; of Whisper for many languages
_SENSE_VOICE = (
    "with_itn", "without_itn", *(f"lang_{code}" for code in ("auto", "zh", "en", "ja", "ko", "yue")), "neg_mean",
    "inv_stddev",
)  # fmt: skip
_MULTILINGUAL = ("all_language_tokens", "all_language_codes")

#: the shortest window that hotwords and a prompt may leave of a model's context, seconds
_SHORTEST_WINDOW = 2.0

#: options with values of their own. modeling_unit: how a transducer's hotwords are spelled in its tokens
_OPTIONS: Mapping[str, OptionCheck] = {
    "num_threads": POSITIVE,
    "provider": one_of("cpu", "cuda", "coreml", "directml"),
    "modeling_unit": one_of("cjkchar", "bpe", "cjkchar+bpe", "bbpe"),
    "task": one_of("transcribe", "translate"),
}


class SherpaChecks(Checks):
    """Checks of sherpa-onnx's models, offline and streaming."""

    def check_model(self, spec: ModelSpec) -> None:
        row = sherpa_type(spec)
        _check_names(spec, row)
        for key, path in spec.files.items():
            _check_file(spec, key, path)
        _check_options(spec, row)
        _check_metadata(spec, row)
        _check_tokens(spec, row)
        self.check_prompt(spec, RecognitionOptions())  # that of the entry's own options

    def check_device(self, spec: ModelSpec) -> None:
        check_device(spec)

    def check_hotwords(self, spec: ModelSpec, hotwords: Sequence[Hotword]) -> None:
        if sherpa_type(spec).hotwords == "beam":
            check_beam(hotwords, spec.options, read_tokens(spec.files["tokens"]))

    def check_prompt(self, spec: ModelSpec, request: RecognitionOptions) -> None:
        context = sherpa_type(spec).context
        if context is None:
            return
        size, prompt = context_size(spec), prompt_tokens(spec, request)
        if context.window(size, prompt) < _SHORTEST_WINDOW:
            raise OptionNotSupportedError(
                f"{spec.name}: hotwords and prompt take about {prompt} tokens and leave no room for audio in a context "
                f"of {size}.",
                "Give fewer hotwords or a shorter prompt.",
            )

    def longest_chunk(self, spec: ModelSpec, row: ModelType, request: RecognitionOptions) -> float:
        context = sherpa_type(spec).context
        if context is None:
            return row.limit
        window = context.window(context_size(spec), prompt_tokens(spec, request))
        return min(row.limit, max(window, _SHORTEST_WINDOW))

    def explain_failure(self, spec: ModelSpec) -> str:
        return explanation(spec.type, spec.files)

    def engine_languages(self, spec: ModelSpec, row: ModelType) -> tuple[str, ...]:
        """The codes that the engine would accept without ending its process or falling back on another."""
        if spec.type == "whisper":
            metadata = read_metadata(spec.files["encoder"])
            if metadata.get("is_multilingual") == "0":
                return ("en",)
            return tuple(filter(None, metadata.get("all_language_codes", "").split(","))) or row.languages
        if spec.type == "canary":
            symbols = read_tokens(spec.files["tokens"]).symbols
            return tuple(sorted(match[1] for symbol in symbols if (match := _LANGUAGE_TOKEN.fullmatch(symbol))))
        return super().engine_languages(spec, row)


def sherpa_type(spec: ModelSpec) -> SherpaType:
    """The table's row of a model. Raises ModelError: the type is not one of sherpa-onnx."""
    row = model_type(spec)
    if not isinstance(row, SherpaType):
        raise ModelError(f"{spec.name}: sherpa-onnx does not run models of type {spec.type}.", "Correct `type:`.")
    return row


def context_size(spec: ModelSpec) -> int:
    """Positions of the cache of a model with a language model inside."""
    context = sherpa_type(spec).context
    if context is None:
        return 0
    decoder = spec.files.get("llm") or spec.files.get("decoder")
    found = [
        read_metadata(decoder).get("max_total_len", "") if decoder and decoder.suffix == ".onnx" else "",
        spec.options.get("max_total_len", ""),
    ]
    sizes = [int(size) for size in found if str(size).isdigit() and int(size) > 0]
    return min(sizes, default=context.size)


def _check_names(spec: ModelSpec, row: SherpaType) -> None:
    missing = [key for key in row.files if key not in spec.files]
    if missing:
        raise ModelError(
            f"{spec.name}: a model of type {spec.type} needs files for {_listed(missing)}.",
            f"Name them under `files:` in models.yaml: {_listed(row.files)}.",
        )
    allowed = (row.parameters - {"num_threads"}) & {*row.files, *PATH_OPTIONS}
    unknown = sorted(set(spec.files) - allowed)
    if unknown:
        raise ModelError(
            f"{spec.name}: a model of type {spec.type} has no file {_listed(unknown)}.",
            f"It takes: {_listed(sorted(allowed))}.",
        )


def _check_file(spec: ModelSpec, key: str, path: Path) -> None:
    if key == "tokenizer" and path.is_dir():
        for name in TOKENIZER_FILES[spec.type]:
            _check_file(spec, name, path / name)
        return
    check_files(spec, [path])


def _check_options(spec: ModelSpec, row: SherpaType) -> None:
    check_device(spec)
    allowed = (row.parameters - set(row.files) - set(row.fixed)) | {"device"}
    choices = {**_OPTIONS, "decoding_method": one_of(*row.decoding_methods)}
    check_options(spec, {name: choices.get(name, ANY) for name in allowed})
    for name, value in spec.options.items():
        if name in PATH_OPTIONS:
            for path in str(value).split(",") if value else ():
                _check_file(spec, name, Path(path))
    for key in row.language_keys:
        if spec.options.get(key):
            check_language(spec, str(spec.options[key]))
    _check_combinations(spec)


def _check_combinations(spec: ModelSpec) -> None:
    unit = spec.options.get("modeling_unit", "")
    if "bpe" in unit and not _given(spec, "bpe_vocab"):
        raise OptionNotSupportedError(
            f"{spec.name}: modeling_unit {unit!r} needs bpe_vocab.", "Name the file under `files:` in models.yaml."
        )
    for name in ("hotwords_file", "lm"):
        if _given(spec, name) and spec.options.get("decoding_method") != "modified_beam_search":
            raise OptionNotSupportedError(
                f"{spec.name}: {name} needs the option decoding_method: modified_beam_search."
            )


def _check_tokens(spec: ModelSpec, row: SherpaType) -> None:
    if "tokens" not in spec.files:
        return
    spoken = _spoken(spec, row)
    if not (row.symbols or spoken or spec.type in {"nemo_transducer", *_COUNTED}):
        check_tokens(spec.files["tokens"])
        return
    table = read_tokens(spec.files["tokens"])
    for group in row.symbols:
        if not table.symbols & set(group):
            raise ModelError(
                f"{spec.files['tokens']} lacks the token {' or '.join(group)} that a model of type {spec.type} needs.",
                "It belongs to a model of another type: check `type:` and `files:`.",
            )
    if spec.type == "nemo_transducer" and table.last != "<blk>":
        raise ModelError(f"{spec.files['tokens']}: <blk> is not its last token, as a NeMo transducer's is.")
    if spec.type in _COUNTED:
        counted = read_metadata(spec.files["encoder"]).get("vocab_size", "")
        if counted.isdigit() and table.size != int(counted) + _COUNTED[spec.type]:
            raise ModelError(
                f"{spec.files['tokens']} has {table.size} tokens, but the model {counted}.",
                "It belongs to another model: check `files:`.",
            )
    if spoken and table.size < _SPOKEN * spoken:
        raise ModelError(
            f"{spec.files['tokens']} has {table.size} tokens, but the model emits {spoken}.",
            f"It is cut short or belongs to another model: check `files:`, or run `asrcli download-model {spec.name}`.",
        )


def _spoken(spec: ModelSpec, row: SherpaType) -> int | None:
    """The number of tokens that the model can emit; None: unknown."""
    if spec.type == "whisper":  # text first; what ends it has the next number
        ending = read_metadata(spec.files["encoder"]).get("eot", "")
        return int(ending) if ending.isdigit() else None
    path = spec.files.get(row.speaks)
    return output_size(path) if path is not None and path.suffix == ".onnx" else None


def _check_metadata(spec: ModelSpec, row: SherpaType) -> None:
    for key, path in spec.files.items():
        if path.suffix != ".onnx":
            continue
        metadata = read_metadata(path)
        names = (*row.metadata.get(key, ()), *_needed_if(spec.type, metadata))
        lacking = [name for name in names if not metadata.get(name)]
        if lacking:
            raise ModelError(
                f"{path} lacks the metadata {_listed(lacking)} that sherpa-onnx reads from a {spec.type} model.",
                "It was exported for another program or is of another type; take one of sherpa-onnx's own exports.",
            )


def _needed_if(type_: str, metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Metadata that the engine needs only of some models of a type."""
    if type_ == "sense_voice" and "Nano" not in metadata.get("comment", ""):
        return _SENSE_VOICE
    return _MULTILINGUAL if type_ == "whisper" and metadata.get("is_multilingual") == "1" else ()


def _given(spec: ModelSpec, name: str) -> bool:
    return bool(spec.files.get(name) or spec.options.get(name))


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
