"""The JSON frames of FunASR runtime clients (docs/protocols.md)."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self

from asrcli.audio.types import SAMPLE_RATE
from asrcli.errors import UsageError
from asrcli.options import RecognitionOptions
from asrcli.server.http.values import flag, hotwords
from asrcli.server.live.endpoint import EndpointOptions
from asrcli.server.live.session import LiveOptions
from asrcli.speakers.live import SpeakerMemory

Mode = Literal["offline", "online", "2pass"]
MODES: tuple[Mode, ...] = ("offline", "online", "2pass")

_RATES = range(4000, 192001)
#: bounds of `vad_tail_sil` and `vad_max_len`, seconds
_SILENCE = (0.1, 10.0)
_LONGEST = (2.0, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """Options of an utterance. Fields that a client leaves out keep their values on the connection."""

    #: the C++ offline client sends no mode
    mode: Mode = "offline"
    name: str = "microphone"
    #: whether bytes are s16le samples; else they are a file of any format
    pcm: bool = True
    rate: int = SAMPLE_RATE
    options: LiveOptions = field(default_factory=LiveOptions)

    def labelled(self, frame: dict[str, Any]) -> Self:
        """With what the answers to a JSON frame have, whether its other fields are valid or not."""
        mode = str(frame.get("mode")).lower()
        name = str(frame.get("wav_name", self.name))
        return replace(self, mode=mode if mode in MODES else self.mode, name=name)

    def updated(self, frame: dict[str, Any]) -> Self:
        """With the fields of a JSON frame. Raises UsageError: a field is not valid."""
        mode = str(frame.get("mode") or self.mode).lower()
        if mode not in MODES:
            raise UsageError(f"The mode {mode[:40]!r} is unknown.", f"Modes: {', '.join(MODES)}.")
        rate = _integer(frame.get("audio_fs", self.rate), "audio_fs")
        if rate not in _RATES:
            raise UsageError(f"audio_fs {rate} is not a supported sample rate.", "Give the sample rate, 8000 or 16000.")
        check_chunk_size(frame.get("chunk_size"))
        encoding = frame.get("wav_format")
        return replace(
            self,
            mode=mode,
            name=str(frame.get("wav_name", self.name)),
            pcm=self.pcm if encoding is None else str(encoding).lower() == "pcm",
            rate=rate,
            options=replace(
                self.options,
                recognition=self._recognition(frame),
                endpoint=self._endpoint(frame),
                second_pass=mode != "online",
                nearfield=_level(frame.get("vad_energy"), self.options.nearfield),
                speakers=self._speakers(frame),
            ),
        )

    def _recognition(self, frame: dict[str, Any]) -> RecognitionOptions:
        options = self.options.recognition
        if "svs_lang" in frame:
            options = replace(options, language=str(frame["svs_lang"] or ""))
        if "hotwords" in frame:
            options = replace(options, hotwords=hotwords(frame["hotwords"], spaced=True))
        for name in ("itn", "svs_itn"):
            if name in frame:
                options = replace(options, itn=str(frame[name]).lower() not in {"false", "0"})
        return options

    def _speakers(self, frame: dict[str, Any]) -> SpeakerMemory | None:
        """The speakers of the connection: they keep their numbers from one utterance to the next."""
        if "spk" not in frame:
            return self.options.speakers
        return self.options.speakers or SpeakerMemory.wanted(True) if flag(str(frame["spk"]), "spk") else None

    def _endpoint(self, frame: dict[str, Any]) -> EndpointOptions:
        options = self.options.endpoint
        if "vad_tail_sil" in frame:
            options = replace(options, silence=_seconds(frame, "vad_tail_sil", *_SILENCE))
        if "vad_max_len" in frame:
            options = replace(options, longest=_seconds(frame, "vad_max_len", *_LONGEST))
        return options


def check_chunk_size(value: Any) -> None:
    """Look-back, current and look-ahead of the client's streaming model, in units of 60 ms: a list, or "5,10,5".

    The models here have their own chunk sizes, so it is checked and then ignored.

    Raises UsageError: it is not valid.
    """
    if value is None:
        return
    parts = value.split(",") if isinstance(value, str) else value
    try:
        numbers = [int(part) for part in parts]
    except (TypeError, ValueError, OverflowError):
        numbers = []
    if len(numbers) != 3 or numbers[1] <= 0:
        raise UsageError(f"chunk_size {str(value)[:40]!r} is not valid.", "Send three numbers, as in [5, 10, 5].")


def _integer(value: Any, name: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UsageError(f"{name} {str(value)[:40]!r} is not a number.", "Send a number.") from error


def _seconds(frame: dict[str, Any], name: str, least: float, most: float) -> float:
    # Bounded before the division: JSON has integers that no float can hold.
    return min(max(_integer(frame[name], name), least * 1000), most * 1000) / 1000


def _level(energy: Any, default: float | None) -> float | None:
    """`vad_energy`, dB of full scale, as RMS; other values are ignored."""
    if isinstance(energy, bool) or not isinstance(energy, int | float) or not -100 <= energy < 0:
        return default
    return float(10 ** (energy / 20))
