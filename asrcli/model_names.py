"""Names of models in other programs, mapped to models of the registry."""

import re

#: names that mean the default model: OpenAI's and Deepgram's, and the example value of FastAPI's documentation
DEFAULT_NAMES = frozenset({
    "", "string", "default", "auto", "whisper", "whisper-1", "gpt-transcribe", "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize", "gpt-live-transcribe", "gpt-realtime",
    "gpt-realtime-mini", "gpt-realtime-whisper", "gpt-4o-realtime-preview", "nova", "nova-2", "nova-2-general",
    "nova-2-meeting", "nova-2-phonecall", "nova-3", "nova-3-general", "nova-3-medical", "enhanced", "enhanced-general",
    "base-general",
})  # fmt: skip

_SENSEVOICE = ("sensevoice-small", "sensevoice-small-2025", "sensevoice-small-funasr", "sensevoice-funasr-nano")
_PARAFORMER = ("paraformer-zh", "paraformer-zh-2024", "paraformer-zh-funasr", "paraformer-zh-small")
_NANO = ("funasr-nano", "fun-asr-nano-funasr")
_QWEN = ("qwen3-asr-0.6b", "qwen3-asr-0.6b-torch")
#: name without organisation, in lower case -> models here, the best first
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "sensevoice": _SENSEVOICE,
    "sensevoicesmall": _SENSEVOICE,
    "sensevoice-small": _SENSEVOICE,
    "sense-voice": _SENSEVOICE,
    "paraformer": _PARAFORMER,
    "paraformer-zh": _PARAFORMER,
    "paraformer-large": _PARAFORMER,
    # of Aliyun's own service
    "paraformer-v1": _PARAFORMER,
    "paraformer-v2": _PARAFORMER,
    "paraformer-realtime-v1": _PARAFORMER,
    "paraformer-realtime-v2": _PARAFORMER,
    "sensevoice-v1": _SENSEVOICE,
    "seaco-paraformer": ("seaco-paraformer-zh-funasr", *_PARAFORMER),
    "fun-asr-nano": _NANO,
    "fun-asr-nano-2512": _NANO,
    "fun-asr-mlt-nano-2512": ("fun-asr-mlt-nano-funasr", *_NANO),
    "moonshine-tiny": ("moonshine-tiny-en",),
    "moonshine-base": ("moonshine-base-en",),
    "qwen3-asr": _QWEN,
    "qwen3-asr-0.6b": _QWEN,
    "qwen3-asr-1.7b": ("qwen3-asr-1.7b-torch", *_QWEN),
}
#: memory of a GPU for Qwen3-ASR 1.7B, bytes
_LARGE_MEMORY = 32_000_000_000
#: of files of whisper.cpp, and of other conversions
_DECORATION = re.compile(r"^ggml-|-ct2$|(?:-q\d_\d)?\.bin$")
#: prefixes of Whisper models in the names of other programs
_WHISPER = re.compile(r"^(?:faster-)?(?P<distil>distil-)?(?:whisper-)?(?P<distil_too>distil-)?(?P<size>.+)$")
_WHISPER_SIZES = {
    "tiny": "tiny", "tiny.en": "tiny.en", "base": "base", "base.en": "base.en", "small": "small",
    "small.en": "small.en", "medium": "medium", "medium.en": "medium.en", "large": "large-v3", "large-v1": "large-v3",
    "large-v2": "large-v3", "large-v3": "large-v3", "large-v3.5": "large-v3.5", "turbo": "turbo",
    "large-v3-turbo": "turbo", "large-turbo": "turbo",
}  # fmt: skip
#: sizes that have other names, or a model, for CTranslate2 alone
_CTRANSLATE2_SIZES = {
    "large-v2": "large-v2",
    **dict.fromkeys(("turbo", "large-v3-turbo", "large-turbo"), "large-v3-turbo"),
}


def automatic(memory: int) -> tuple[str, ...]:
    """funasr-api's choice for `auto`, the best first, by the memory of the largest GPU, bytes; 0: there is none."""
    if not memory:
        return _PARAFORMER
    small = ("qwen3-asr-0.6b-torch", "qwen3-asr-0.6b")
    return ("qwen3-asr-1.7b-torch", *small) if memory >= _LARGE_MEMORY else small


def synonyms(name: str) -> tuple[str, ...]:
    """Models of the registry for a name of another program, the best first; () if it is unknown."""
    bare = name.lower().replace("moonshine/", "moonshine-").rpartition("/")[2]
    if bare in _SYNONYMS:
        return _SYNONYMS[bare]
    bare = _DECORATION.sub("", bare)
    if "paraformer-large" in bare.replace("_", "-"):  # speech_paraformer-large_asr_nat-zh-cn-16k
        return _PARAFORMER
    match = _WHISPER.fullmatch(bare)
    size = _WHISPER_SIZES.get(match["size"]) if match else None
    if match is None or size is None:
        return (bare,) if "/" in name else ()  # with its organisation, as in nvidia/parakeet-tdt-0.6b-v2
    distil = "distil-" if match["distil"] or match["distil_too"] else ""
    fast = f"faster-{distil}whisper-{_CTRANSLATE2_SIZES.get(match['size'], size)}"
    found = (f"whisper-{distil}{size}", fast)
    return found[::-1] if bare.startswith("faster-") else found
