"""The flags of OpenAI's `whisper` command as those of `asrcli transcribe`, so that scripts work unchanged.

They are not in `--help` and are not completed. docs/whisper.md lists them from `FLAGS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from asrcli.errors import UsageError

_TRUE, _FALSE = "True", "False"


@dataclass(frozen=True, slots=True)
class WhisperFlag:
    """What a flag of `whisper` becomes."""

    #: our flag, which takes the value; "": none
    flag: str = ""
    #: value -> our arguments, instead of `flag` and the value
    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    #: why it has no effect; "": it has one
    ignored: str = ""

    def translate(self, name: str, value: str) -> tuple[str, ...]:
        """Our arguments. Raises UsageError: the value has no counterpart."""
        if value in self.values:
            return self.values[value]
        if self.values and not self.flag:
            raise UsageError(f"{name} {value} has no counterpart.", f"Possible here: {', '.join(self.values)}.")
        return (self.flag, value) if self.flag else ()


_DECODING = WhisperFlag(ignored="decoding is greedy, with checks of its own against loops and invented text")
_MARKS = WhisperFlag(ignored="punctuation stays with its word by the rules of the script")

FLAGS: Mapping[str, WhisperFlag] = MappingProxyType(
    {
        "--output_format": WhisperFlag(
            "--format", {"json": ("--format", "whisper-json"), "all": ("--format", "txt,vtt,srt,tsv,whisper-json")}
        ),
        "--output_dir": WhisperFlag("--output-dir"),
        "--model_dir": WhisperFlag("--model-dir"),
        "--initial_prompt": WhisperFlag("--prompt"),
        "--max_line_width": WhisperFlag("--max-line-width"),
        "--max_line_count": WhisperFlag("--max-lines"),
        "--max_words_per_line": WhisperFlag("--max-words"),
        "--highlight_words": WhisperFlag(values={_TRUE: ("--highlight-words",), _FALSE: ("--no-highlight-words",)}),
        "--threads": WhisperFlag("--jobs", {"0": ()}),
        "--verbose": WhisperFlag(values={_TRUE: (), _FALSE: ("--quiet",), "None": ("--quiet",)}),
        "--task": WhisperFlag(values={"transcribe": (), "translate": ("--translate",)}),
        "--word_timestamps": WhisperFlag(ignored="words always have times"),
        "--fp16": WhisperFlag(ignored="the model's own precision is used"),
        "--clip_timestamps": WhisperFlag(values={"0": ()}),
        **dict.fromkeys(
            (
                "--temperature", "--best_of", "--beam_size", "--patience", "--length_penalty", "--suppress_tokens",
                "--condition_on_previous_text", "--carry_initial_prompt", "--temperature_increment_on_fallback",
                "--compression_ratio_threshold", "--logprob_threshold", "--no_speech_threshold",
                "--hallucination_silence_threshold",
            ),
            _DECODING,
        ),
        "--prepend_punctuations": _MARKS,
        "--append_punctuations": _MARKS,
    }
)  # fmt: skip


def translate(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Arguments in which whisper's flags are replaced, and the flags that have no effect. Raises UsageError: a flag has
    no value, or one without a counterpart.
    """
    found: list[str] = []
    ignored: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*found, argument, *rest], ignored
        name, equals, value = argument.partition("=")
        flag = FLAGS.get(name)
        if flag is None:
            found.append(argument)
            continue
        given = value if equals else next(rest, None)
        if given is None or (not equals and given.startswith("--")):
            raise UsageError(f"{name} needs a value.", "It is a flag of the whisper command.")
        found += flag.translate(name, given)
        if flag.ignored:
            ignored.append(name)
    return found, ignored
