"""Every offline model type of sherpa-onnx, as data: parameters of its factory and capabilities of the model.

Imported on both sides: our process validates against it before anything reaches the engine, which ends its own process
on an unknown option, a missing file or missing metadata. Nothing here imports the engine; a test holds each entry
against the signature of the installed factory. Facts: sources of sherpa-onnx 2.0.1 (`csrc/offline-recognizer*`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from asrcli.backends.model_type import ModelType


def names(text: str) -> tuple[str, ...]:
    """Words of a text."""
    return tuple(text.split())


#: rewriting of the text by finite-state rules (ITN) and by homophones; paths, `rule_*` several with commas
RULES = ("rule_fsts", "rule_fars", "hr_dict_dir", "hr_lexicon", "hr_rule_fsts")
_COMMON = ("num_threads", "decoding_method", "debug", "provider")
_FEATURES = ("sample_rate", "feature_dim")
_SAMPLING = ("max_new_tokens", "temperature", "top_p", "seed", "hotwords")
#: The factory's 1e-6 draws between tokens that are equally likely, from one sequence for all chunks.
_GREEDY = {"temperature": 0.0}

#: options whose values are paths: given among `files` (relative to the model's folder) or among `options`
PATH_OPTIONS = frozenset({*RULES, "hotwords_file", "bpe_vocab", "lm", "lodr_fst", "ctc_graph"})

_BLANK = ("<blk>", "<eps>", "<blank>")


#: tokens that a language model answers a second of fast speech
_ANSWER_RATE = 6.0
#: positions that the estimate of a prompt may be short of: a constant part, and a part of the prompt
_SPARE, _SPARE_PART = 6, 0.1


@dataclass(frozen=True, slots=True)
class Context:
    """The key-value cache of a language model, which holds the prompt, the audio and the answer."""

    #: positions a second of audio
    audio_rate: float
    #: positions, where neither the model nor its entry gives another number
    size: int = 512

    def window(self, size: int, prompt: int) -> float:
        """The longest chunk for which there is room beside a prompt of so many tokens and the answer, seconds."""
        return (size - _SPARE - (1 + _SPARE_PART) * prompt) / (self.audio_rate + _ANSWER_RATE)

    def is_full(self, size: int, prompt: int, seconds: float, answer: int) -> bool:
        """Whether an answer of so many tokens may have been cut short by the end of the cache."""
        return (1 + _SPARE_PART) * prompt + seconds * self.audio_rate + answer + _SPARE >= size


@dataclass(frozen=True, slots=True, kw_only=True)
class SherpaType(ModelType):
    """One row of the table."""

    #: name of the class method of `sherpa_onnx.OfflineRecognizer`
    factory: str
    #: its parameters that are files and must be given
    files: tuple[str, ...]
    #: all its other parameters, but those that `fixed` and the language take
    options: tuple[str, ...]
    #: parameters that make the type what it is
    fixed: Mapping[str, Any] = field(default_factory=dict)
    #: where the factory's defaults do not suit us
    defaults: Mapping[str, Any] = field(default_factory=dict)

    #: what sets the language: nothing, a factory parameter (one recogniser a language), or an option of each stream
    language_by: Literal["none", "factory", "stream"] = "none"
    decoding_methods: tuple[str, ...] = ("greedy_search",)
    #: tokens come with times (Whisper: where its export and `enable_token_timestamps` allow it)
    timed: bool = False
    #: sounds are written as notes between the words: "[Music]"
    notes: bool = False
    #: silence appended to each chunk, seconds: some models invent a last word where speech ends with the chunk
    tail: float = 0.0
    #: the engine stops after so many tokens a second of a chunk's length, padding included
    token_rate: float = math.inf
    #: a chunk that reached that limit is padded to at most this length, seconds
    padded: float = 0.0
    #: the engine shares state between the streams of a recogniser: one chunk at a time, on all cores
    serial: bool = False
    #: options of every stream
    stream_options: Mapping[str, str] = field(default_factory=dict)
    #: of a model with a language model inside: how prompt, audio and answer share its cache
    context: Context | None = None

    #: the file whose first output has one class a token; empty: unknown
    speaks: str = ""
    #: of each of these groups `tokens.txt` must have one
    symbols: tuple[tuple[str, ...], ...] = ()
    #: metadata without which the engine ends its process: file key -> names
    metadata: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def parameters(self) -> frozenset[str]:
        """Every parameter of the factory."""
        language = self.language_keys if self.language_by == "factory" else ()
        return frozenset({*self.files, *self.options, *self.fixed, *language})


def _ctc(factory: str, *options: str, **rest: Any) -> SherpaType:
    settings: dict[str, Any] = {"timed": True, "speaks": "model", "symbols": (_BLANK,), **rest}
    return SherpaType(factory=factory, files=("model", "tokens"), options=(*_COMMON, *options), **settings)


_TRANSDUCER: dict[str, Any] = {
    "factory": "from_transducer",
    "files": ("encoder", "decoder", "joiner", "tokens"),
    "options": (
        *_COMMON,
        *_FEATURES,
        *RULES,
        "dither",
        "max_active_paths",
        "hotwords_file",
        "hotwords_score",
        "blank_penalty",
        "modeling_unit",
        "bpe_vocab",
        "lm",
        "lm_scale",
        "lodr_fst",
        "lodr_scale",
    ),
    "decoding_methods": ("greedy_search", "modified_beam_search"),
    "hotwords": "beam",
    "timed": True,
}

#: https://github.com/openai/whisper/blob/main/whisper/tokenizer.py (`yue` from large-v3 on)
_WHISPER_CODES = (
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml "
    "cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am "
    "yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue"
)
WHISPER_LANGUAGES = tuple(_WHISPER_CODES.split())
#: Whisper in engines that read a prompt
PROMPTED_WHISPER = ModelType(
    translation={"task": "translate"}, languages=WHISPER_LANGUAGES, detects_language=True, hotwords="prompt",
    punctuated=True, limit=30.0,
)  # fmt: skip

_COHERE_LANGUAGES = ("ar", "de", "el", "en", "es", "fr", "it", "ja", "ko", "nl", "pl", "pt", "vi", "zh")

#: Qwen3-ASR takes the language by its English name (its model card)
QWEN3_LANGUAGES = {
    "zh": "Chinese", "en": "English", "yue": "Cantonese", "ar": "Arabic", "de": "German", "fr": "French",
    "es": "Spanish", "pt": "Portuguese", "id": "Indonesian", "it": "Italian", "ko": "Korean", "ru": "Russian",
    "th": "Thai", "vi": "Vietnamese", "ja": "Japanese", "tr": "Turkish", "hi": "Hindi", "ms": "Malay",
    "nl": "Dutch", "sv": "Swedish", "da": "Danish", "fi": "Finnish", "pl": "Polish", "cs": "Czech",
    "fil": "Filipino", "fa": "Persian", "el": "Greek", "ro": "Romanian", "hu": "Hungarian", "mk": "Macedonian",
}  # fmt: skip

#: Fun-ASR-Nano is asked in Chinese
_FUNASR_NANO_LANGUAGES = {"zh": "中文", "en": "英文", "ja": "日文", "ko": "韩文", "yue": "粤语"}

TYPES: dict[str, SherpaType] = {
    "sense_voice": SherpaType(
        factory="from_sense_voice",
        punctuated=True,
        detects_language=True,
        files=("model", "tokens"),
        options=(*_COMMON, *_FEATURES, *RULES, "use_itn"),
        language_by="factory",
        language_keys=("language",),
        languages=("zh", "en", "ja", "ko", "yue"),
        itn_option="use_itn",
        timed=True,
        tagged=True,
        speaks="model",
        metadata={"model": ("vocab_size", "lfr_window_size", "lfr_window_shift", "normalize_samples")},
    ),
    "paraformer": SherpaType(
        factory="from_paraformer",
        files=("paraformer", "tokens"),
        options=(*_COMMON, *_FEATURES, *RULES),
        timed=True,
        speaks="paraformer",
        symbols=(("</s>",),),
        metadata={"paraformer": ("vocab_size", "lfr_window_size", "lfr_window_shift", "neg_mean", "inv_stddev")},
    ),
    "transducer": SherpaType(
        **_TRANSDUCER,
        fixed={"model_type": "transducer"},
        speaks="joiner",
        metadata={"decoder": ("vocab_size", "context_size")},
    ),
    "nemo_transducer": SherpaType(
        **_TRANSDUCER,
        fixed={"model_type": "nemo_transducer"},
        symbols=(("<blk>",),),
        metadata={"encoder": ("vocab_size", "subsampling_factor", "pred_rnn_layers", "pred_hidden")},
    ),
    "nemo_ctc": _ctc("from_nemo_ctc", *_FEATURES, *RULES, metadata={"model": ("vocab_size", "subsampling_factor")}),
    "zipformer_ctc": _ctc("from_zipformer_ctc", *_FEATURES, *RULES, "ctc_graph", "ctc_max_active"),
    "wenet_ctc": _ctc(
        "from_wenet_ctc",
        *_FEATURES,
        *RULES,
        metadata={"model": ("vocab_size", "subsampling_factor")},
    ),
    "tdnn_ctc": _ctc("from_tdnn_ctc", *_FEATURES, *RULES, metadata={"model": ("vocab_size",)}),
    "telespeech_ctc": _ctc("from_telespeech_ctc", *_FEATURES, *RULES, metadata={"model": ("model_type",)}),
    "dolphin_ctc": _ctc("from_dolphin_ctc", *_FEATURES, *RULES, metadata={"model": ("vocab_size", "mean", "invstd")}),
    # Blank is token 0 by definition, and raw samples are not batched.
    "omnilingual_asr_ctc": _ctc("from_omnilingual_asr_ctc", symbols=()),
    "medasr_ctc": _ctc("from_medasr_ctc", metadata={"model": ("model_type", "vocab_size")}),
    "fire_red_asr_ctc": _ctc(
        "from_fire_red_asr_ctc", metadata={"model": ("model_type", "cmvn_mean", "cmvn_inv_stddev")}
    ),
    "fire_red_asr": SherpaType(
        factory="from_fire_red_asr",
        files=("encoder", "decoder", "tokens"),
        options=(*_COMMON, *RULES),
        token_rate=18.0,
        # 8 by default, which dense speech exceeds
        stream_options={"max_token_per_second": "18"},
        speaks="decoder",
        metadata={"encoder": names("num_decoder_layers num_head head_dim sos eos max_len cmvn_mean cmvn_inv_stddev")},
    ),
    "whisper": SherpaType(
        factory="from_whisper",
        translation={"task": "translate"},
        punctuated=True,
        detects_language=True,
        files=("encoder", "decoder", "tokens"),
        options=(*_COMMON, *RULES, "task", "tail_paddings", "enable_token_timestamps", "enable_segment_timestamps"),
        # The factory's own default is English; empty means: detect. Without times the engine stops after the first
        # sentence where several stand in a chunk with pauses between: three minutes of read English, WER 15.8 %; with
        # them 6.4 %, and with no pause over 0.7 s in a chunk 1.9 %.
        defaults={"language": "", "enable_segment_timestamps": True},
        notes=True,
        max_gap=0.7,
        # Of the clips, none at its own level is changed by that: 0.9 % errors, at -30 and -50 dB 1.5 %.
        gain_offset=15.0,
        token_rate=6.0,
        padded=29.4,
        language_by="factory",
        language_keys=("language",),
        languages=WHISPER_LANGUAGES,
        timed=True,
        # 2,950 frames of 10 ms.
        limit=29.4,
        metadata={
            "encoder": names(
                "n_mels n_text_layer n_text_ctx n_text_state n_vocab sot eot blank_id translate transcribe "
                "is_multilingual no_timestamps no_speech sot_sequence"
            )
        },
    ),
    "moonshine": SherpaType(
        factory="from_moonshine",
        punctuated=True,
        files=("preprocessor", "encoder", "uncached_decoder", "cached_decoder", "tokens"),
        options=(*_COMMON, *RULES),
        speaks="uncached_decoder",
        token_rate=6.0,
        padded=60.0,
    ),
    "moonshine_v2": SherpaType(
        factory="from_moonshine_v2",
        speaks="decoder",
        files=("encoder", "decoder", "tokens"),
        options=(*_COMMON, *RULES),
        punctuated=True,
        # tiny-en, chunks to 12 s, joined recordings of 1,458 words: WER 2.40 % without, 1.85 % with
        tail=0.3,
        # Most scripts are spelled in bytes: fast Chinese takes 20 tokens a second.
        token_rate=15.0,
        padded=60.0,
    ),
    "canary": SherpaType(
        factory="from_nemo_canary",
        translation={"tgt_lang": "en"},
        target_option="tgt_lang",
        punctuated=True,
        files=("encoder", "decoder", "tokens"),
        options=(*_COMMON, *_FEATURES, *RULES, "src_lang", "tgt_lang"),
        language_by="stream",
        language_keys=("src_lang", "tgt_lang"),
        # No speech has so many, but a loop has.
        token_rate=30.0,
        symbols=(("<|startoftranscript|>",), ("<|endoftext|>",)),
        metadata={"encoder": ("model_type", "vocab_size", "subsampling_factor", "feat_dim")},
    ),
    "cohere_transcribe": SherpaType(
        factory="from_cohere_transcribe",
        speaks="decoder",
        punctuated=True,
        files=("encoder", "decoder", "tokens"),
        options=(*_COMMON, *RULES, "language", "use_punct", "use_itn"),
        language_by="stream",
        language_keys=("language",),
        languages=_COHERE_LANGUAGES,
        language_required=True,
        itn_option="use_itn",
        token_rate=6.0,
        padded=60.0,
        symbols=(("<|startoftranscript|>",), ("<|endoftext|>",)),
        metadata={"encoder": ("model_type",)},
    ),
    "funasr_nano": SherpaType(
        factory="from_funasr_nano",
        defaults=_GREEDY,
        punctuated=True,
        files=("encoder_adaptor", "llm", "embedding", "tokenizer"),
        options=(*_COMMON, *_FEATURES, *_SAMPLING, "system_prompt", "user_prompt", "language", "itn"),
        language_by="stream",
        language_keys=("language",),
        language_names=_FUNASR_NANO_LANGUAGES,
        hotwords="prompt",
        itn_option="itn",
        context=Context(audio_rate=16.7),
        # Measured: of 120 chunks decoded by four threads, two had other words than alone.
        serial=True,
        metadata={"encoder_adaptor": ("lfr_window_size", "lfr_window_shift", "llm_dim"), "llm": ("vocab_size",)},
    ),
    "qwen3_asr": SherpaType(
        factory="from_qwen3_asr",
        punctuated=True,
        files=("conv_frontend", "encoder", "decoder", "tokenizer"),
        options=(*_COMMON, *_FEATURES, *_SAMPLING, "max_total_len"),
        # 128, the factory's, cuts dense speech short: Chinese takes about 6 tokens a second.
        defaults={"max_new_tokens": 224, **_GREEDY},
        language_by="stream",
        language_keys=("language",),
        language_names=QWEN3_LANGUAGES,
        hotwords="prompt",
        context=Context(audio_rate=12.5),
        limit=20.0,
    ),
}

#: what a tokenizer folder must hold, by type
TOKENIZER_FILES: dict[str, tuple[str, ...]] = {
    "funasr_nano": ("vocab.json", "merges.txt", "tokenizer.json"),
    "qwen3_asr": ("vocab.json", "merges.txt", "tokenizer_config.json"),
}
