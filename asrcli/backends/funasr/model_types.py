"""FunASR's model types, as data: their classes in the toolkit and their capabilities.

Imported on both sides; nothing here imports the toolkit. Facts: sources of funasr 1.4 (`funasr/models/*/model.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asrcli.backends.model_type import ModelType
from asrcli.backends.vllm import options as vllm

#: options of every type. num_threads: torch's own; batch_size: chunks a call; punc, spk, vad: the punctuation model,
#: the model that embeds voices, and the one that detects speech
_COMMON = ("device", "num_threads", "batch_size", "fp16", "bf16", "punc", "spk", "vad")


@dataclass(frozen=True, slots=True, kw_only=True)
class FunasrType(ModelType):
    """One row of the table."""

    #: values of `model:` in the folder's config.yaml
    classes: tuple[str, ...]
    #: options of the entry, beside the common ones
    own_options: tuple[str, ...] = ()
    #: what `inference` is always given
    fixed: Mapping[str, object] = field(default_factory=dict)
    #: whether a language can be asked for; else the model has its own, and asking for that is no error
    takes_language: bool = False
    batches: bool = True
    #: the most tokens that its language model writes where the option `max_length` sets none; None: there is no limit
    most_tokens: int | None = None

    @property
    def options(self) -> frozenset[str]:
        """Every option that an entry may have."""
        return frozenset({*_COMMON, *self.own_options})


#: Fun-ASR-Nano is asked in Chinese (its model card; the first three for Nano, all for MLT-Nano)
_NANO_LANGUAGES = {
    "zh": "中文", "en": "英文", "ja": "日文", "yue": "粤语", "ko": "韩文", "vi": "越南语", "id": "印尼语", "th": "泰语",
    "ms": "马来语", "fil": "菲律宾语", "ar": "阿拉伯语", "hi": "印地语", "bg": "保加利亚语", "hr": "克罗地亚语",
    "cs": "捷克语", "da": "丹麦语", "nl": "荷兰语", "et": "爱沙尼亚语", "fi": "芬兰语", "el": "希腊语",
    "hu": "匈牙利语", "ga": "爱尔兰语", "lv": "拉脱维亚语", "lt": "立陶宛语", "mt": "马耳他语", "pl": "波兰语",
    "pt": "葡萄牙语", "ro": "罗马尼亚语", "sk": "斯洛伐克语", "sl": "斯洛文尼亚语", "sv": "瑞典语",
}  # fmt: skip

FUNASR_TYPES: dict[str, FunasrType] = {
    "funasr_sense_voice": FunasrType(
        classes=("SenseVoiceSmall",),
        own_options=("use_itn", "ban_emo_unk"),
        fixed={"output_timestamp": True},
        languages=("zh", "en", "ja", "ko", "yue"),
        takes_language=True,
        itn_option="use_itn",
        tagged=True,
        detects_language=True,
        punctuated=True,
    ),
    # Times are asked for because only then its words come apart.
    "funasr_paraformer": FunasrType(classes=("Paraformer", "BiCifParaformer"), fixed={"output_timestamp": True}),
    "funasr_seaco_paraformer": FunasrType(classes=("SeacoParaformer",), hotwords="bias"),
    "funasr_fun_asr_nano": FunasrType(
        classes=("FunASRNano",),
        own_options=("itn", "max_length", *vllm.OPTIONS),
        takes_language=True,
        language_names=_NANO_LANGUAGES,
        hotwords="prompt",
        itn_option="itn",
        punctuated=True,
        batches=False,
        limit=30.0,
        most_tokens=512,
    ),
}


#: A plain Paraformer's times are derived from the wrong curve (the toolkit hands the integral over where the weights
#: belong): words run into each other, so ours are estimated. The other classes have a predictor of times.
UNTIMED_CLASSES = frozenset({"Paraformer"})


def type_of_class(name: str) -> str | None:
    """The type whose models are of this class of the toolkit."""
    return next((type_ for type_, row in FUNASR_TYPES.items() if name in row.classes), None)
