"""From option values to options, and from texts to option values."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio.types import Source
from asrcli.backends.types import ModelSpec
from asrcli.batch.recording import Item
from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.cli.request.transcribe_request import TranscribeRequest, parse_request, read_all_hotwords
from asrcli.errors import UsageError
from asrcli.listener import Listener
from asrcli.model_set import ModelSet
from asrcli.options import AudioOptions, CueOptions, Hotword, RawFormat, TextOptions, TranscribeOptions, readers
from asrcli.options.declarations import from_values
from asrcli.options.values import OptionConflictError, cue_options, transcribe_options
from asrcli.transcript import Transcript


def test_no_values_are_the_defaults() -> None:
    assert transcribe_options({}) == TranscribeOptions()
    assert cue_options({}) == CueOptions()


@pytest.mark.parametrize(
    ("raw_channels", "channels", "count", "selected"),
    [
        (None, "mix", 1, "mix"),
        (None, 2, 2, "mix"),  # as in: --raw s16le --rate 8000 --channels 2
        (None, "split", 1, "split"),
        (2, "mix", 2, "mix"),
        (2, 1, 2, 1),
        (2, "split", 2, "split"),
    ],
)
def test_channels_of_raw_pcm(raw_channels: int | None, channels: int | str, count: int, selected: Any) -> None:
    values = {"raw": "s16le", "rate": 8000, "raw_channels": raw_channels, "channels": channels}
    options = transcribe_options({name: value for name, value in values.items() if value is not None})
    assert options.audio == AudioOptions(raw=RawFormat(encoding="s16le", rate=8000, channels=count), channels=selected)


def test_explicit_options_override_a_subtitle_style() -> None:
    styled = cue_options({"subtitle_style": "short"})
    assert (styled.max_words, styled.max_lines) == (4, 1)
    styled = cue_options({"subtitle_style": "short", "max_lines": 3})
    assert (styled.max_words, styled.max_lines) == (4, 3)


def test_values_that_belong_to_several_fields() -> None:
    options = transcribe_options({"language": "auto", "itn": False, "correct_hotwords": True}, (Hotword(text="Ab"),))
    assert (options.recognition.language, options.identification.enabled) == (None, True)
    assert options.recognition.itn is False
    assert options.text == TextOptions(itn=False, corrections=(Hotword(text="Ab"),))


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"start": 9.0, "end": 3.0}, ("start", "end")),
        ({"rate": 8000}, ("rate",)),
        ({"raw_channels": 2}, ("raw_channels",)),
        ({"raw": "s16le", "channels": 0}, ("channels", "raw")),
        ({"raw": "s16le", "audio_track": 1}, ("audio_track", "raw")),
        ({"raw": "s16le", "raw_channels": 2, "channels": 2}, ("channels", "raw_channels")),
        ({"vad_threshold": 0.4, "vad_end_threshold": 0.6}, ("vad_end_threshold", "vad_threshold")),
        ({"speakers": 2}, ("speakers",)),
        ({"diarize": True, "speakers": 2, "min_speakers": 1}, ("speakers", "min_speakers")),
        ({"diarize": True, "min_speakers": 3, "max_speakers": 2}, ("min_speakers", "max_speakers")),
        ({"correct_hotwords": True}, ("correct_hotwords",)),
        ({"language": "en", "language_per_chunk": True}, ("language_per_chunk", "language")),
        ({"min_cue": 9.0}, ("min_cue", "max_cue")),
    ],
)
def test_options_that_do_not_go_together(values: dict[str, Any], names: tuple[str, ...]) -> None:
    with pytest.raises(OptionConflictError) as caught:
        (transcribe_options(values), cue_options(values))
    assert caught.value.options == names


def parsed(values: dict[str, Any], levels: dict[str, str]) -> tuple[TranscribeArguments, TranscribeRequest]:
    arguments = from_values(TranscribeArguments, {"inputs": ("a.wav",)} | values, values=values)
    return parse_request(arguments, {name: levels.get(name, "flag") for name in values})


def test_what_is_started_first_is_decoded_first() -> None:
    orders: list[int] = []

    def transcribe(*_: Any, order: int, **_named: Any) -> Transcript:
        orders.append(order)
        return Transcript("a.wav", 0.0, ())

    engine = cast("Any", SimpleNamespace(transcribe=transcribe))
    _, request = parsed({}, {})
    spec = ModelSpec(name="m", type="sense_voice", files={})
    work = request.work(lambda: engine, ModelSet(spec=spec, options=request.options))
    for index in (3, 0, 2):
        work.transcribe(Item(index, Source("a.wav"), {}), Listener())
    assert orders == sorted(set(orders))
    assert len(orders) == 3


FILE = "config file"


@pytest.mark.parametrize(
    ("flag", "lower"),
    [
        ({"output": "-"}, {"output_dir": "out"}),
        ({"output_dir": "out"}, {"output": "a.srt"}),
        ({"fast": True}, {"model": "sensevoice-small"}),
        ({"model": "sensevoice-small"}, {"fast": True}),
        ({"fast": True}, {"remote": "http://h/v1"}),
        ({"overwrite": True}, {"skip_existing": True}),
        ({"skip_existing": True}, {"overwrite": True}),
        ({"remote": "http://h/v1"}, {"backend": "funasr"}),
        ({"backend": "funasr"}, {"remote": "http://h/v1"}),
        ({"remote_api_key": "k"}, {"remote_api_key_file": "f"}),
        ({"diarize": True, "speakers": 2}, {"min_speakers": 3, "max_speakers": 4}),
        ({"diarize": True, "max_speakers": 2}, {"speakers": 3}),
        ({"diarize": True, "max_speakers": 2}, {"min_speakers": 3}),
        ({"vad_threshold": 0.2}, {"vad_end_threshold": 0.4}),
        ({"min_cue": 8.0}, {"max_cue": 5.0}),
        ({"end": 3.0}, {"start": 9.0}),
        ({"language": "en"}, {"language_per_chunk": True}),
        ({}, {"speakers": 3}),
        ({}, {"rate": 8000}),
        ({}, {"correct_hotwords": True}),
    ],
)
@pytest.mark.parametrize("level", [FILE, "environment"])
def test_a_flag_overrides_what_contradicts_it_on_a_lower_level(
    flag: dict[str, Any], lower: dict[str, Any], level: str
) -> None:
    if flag == {"min_cue": 8.0}:
        flag = flag | {"max_cue": 9.0}
        lower = {}
    arguments, _ = parsed(flag | lower, dict.fromkeys(lower, level))
    assert dict(arguments.values) == flag
    for name in lower:
        assert name not in arguments.values
    if len(flag) and len(lower) == 1 and len(flag) == 1:
        with pytest.raises(OptionConflictError):
            parsed(flag | lower, {})


def test_contradictions_of_one_level_are_errors() -> None:
    values = {"output": "a.srt", "output_dir": "out"}
    with pytest.raises(OptionConflictError):
        parsed(values, dict.fromkeys(values, FILE))


@pytest.mark.parametrize(
    ("output", "asked", "level", "formats"),
    [
        ("x.srt", ("txt", "json"), FILE, ["srt"]),
        ("x.srt", ("json",), "environment", ["srt"]),
        ("x.log", ("json",), FILE, ["json"]),
        ("-", ("srt", "txt"), FILE, ["srt"]),
        ("x.srt", ("json",), "flag", ["json"]),
        ("x.docx", ("json",), "flag", ["json"]),
        ("x", None, FILE, ["txt"]),
        ("/dev/stdout", None, FILE, ["txt"]),
    ],
)
def test_the_format_of_one_output(output: str, asked: tuple[str, ...] | None, level: str, formats: list[str]) -> None:
    values = {"output": output} | ({"format": asked} if asked else {})
    _, request = parsed(values, {"format": level})
    assert [form.name for form in request.formats] == formats


@pytest.mark.parametrize("output", ["out.doc", "talk.SRTX", "a/b.wav", "notes.v2"])
def test_an_output_whose_name_ends_in_no_format_is_refused(output: str) -> None:
    with pytest.raises(UsageError, match="suffix"):
        parsed({"output": output}, {})


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90.5", 90.5),
        ("1:30", 90),
        ("01:02:03.25", 3723.25),
        ("0:00", 0),
        ("1:02,5", 62.5),
        ("100:00:00", 360000),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert readers.time(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1:60", "1:2:3:4", "nan", "inf", "", "1:", ":30"])
def test_invalid_times(text: str) -> None:
    with pytest.raises(ValueError, match="not a valid time"):
        readers.time(text)


@settings(max_examples=100)
@given(st.integers(0, 10**6))
def test_a_time_reads_the_same_in_both_forms(seconds: int) -> None:
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    assert readers.time(clock) == readers.time(str(seconds)) == seconds


def test_hotwords_from_words_and_files(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# names\nHedy Lamarr:30\nZvon\n", encoding="utf-8")
    expected = (Hotword(text="Hedy Lamarr", weight=30), Hotword(text="Zvon"))
    assert read_all_hotwords([f"@{path}"]) == expected
    assert read_all_hotwords(["Hedy Lamarr:30, Zvon"]) == expected
    assert read_all_hotwords(["Hedy Lamarr:30", "Zvon"]) == expected
    with pytest.raises(UsageError):
        read_all_hotwords(["word:200"])


def test_lists_hold_each_item_once_in_order() -> None:
    assert readers.split_list(["srt, txt", "json", "txt"]) == ("srt", "txt", "json")
