"""How many positions of a language model's cache its prompt takes."""

import json
import re
from functools import lru_cache
from pathlib import Path

from asrcli.backends.sherpa.hotwords import prompt_phrases
from asrcli.backends.types import ModelSpec
from asrcli.options import RecognitionOptions

#: the prompts of sherpa-onnx 2.0.1 (strings of its library); {} is the system prompt of the entry or the hotwords
_TEMPLATES = {
    "funasr_nano": "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{hotwords}语音转写成{language}："
    "<|im_end|>\n<|im_start|>assistant\n",
    "qwen3_asr": "<|im_start|>system\n{hotwords}<|im_end|>\n<|im_start|>user\n<|audio_start|><|audio_end|><|im_end|>\n"
    "<|im_start|>assistant\nlanguage {language}<asr_text>",
}
_NANO_TASK = "请结合上下文信息，更加准确地完成语音转写任务。如果没有相关信息，我们会留空。\n\n\n"
_NANO_HOTWORDS = "**上下文信息：**\n\n\n热词列表：[{}]\n"
#: longest piece that is looked up, letters of the byte alphabet
_LONGEST = 24


def prompt_tokens(spec: ModelSpec, request: RecognitionOptions) -> int:
    """About how many tokens a request's prompt takes: those of the tokenizer, longest pieces first."""
    hotwords = prompt_phrases(request.hotwords, request.prompt) or str(spec.options.get("hotwords", ""))
    if hotwords and spec.type == "funasr_nano":
        hotwords = _NANO_TASK + _NANO_HOTWORDS.format(hotwords)
    text = _TEMPLATES[spec.type].format(
        system=spec.options.get("system_prompt", "You are a helpful assistant."),
        hotwords=hotwords,
        language=request.language or "",
    )
    text += str(spec.options.get("user_prompt", ""))
    return _count(spec.files["tokenizer"] / "vocab.json", text)


@lru_cache(maxsize=64)
def _count(vocabulary: Path, text: str) -> int:
    pieces = _pieces(vocabulary)
    text, special = re.subn(r"<\|\w+\|>|<asr_text>", "", text)
    count = special
    # A piece may begin with a space and end before the next.
    for word in re.findall(r" ?[^ ]+", text):
        letters = word.encode().decode("latin-1").translate(_ALPHABET)
        at = 0
        while at < len(letters):
            ends = range(min(at + _LONGEST, len(letters)), at + 1, -1)
            at = next((end for end in ends if letters[at:end] in pieces), at + 1)
            count += 1
    return count


@lru_cache(maxsize=4)
def _pieces(vocabulary: Path) -> frozenset[str]:
    return frozenset(json.loads(vocabulary.read_text("utf-8")))


def _byte_alphabet() -> dict[int, int]:
    """GPT-2's letters of the bytes: printable ones stay, the others follow from U+0100 on."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: 0x100 + place for place, byte in enumerate(others)}


_ALPHABET = _byte_alphabet()
