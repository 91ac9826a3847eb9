"""From arguments to the options of the house."""

from __future__ import annotations

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.cli.framework import option_types
from asrcli.cli.request import build_options
from asrcli.cli.request.arguments import AudioArguments, CueArguments, InputArguments, ModelArguments, SpeechArguments
from asrcli.errors import UsageError
from asrcli.options import AudioOptions, CueOptions, Hotword, RawFormat, RecognitionOptions, VadOptions


def test_no_arguments_are_the_defaults_of_the_house():
    assert build_options.audio_options(InputArguments(), AudioArguments()) == AudioOptions()
    assert build_options.vad_options(SpeechArguments()) == VadOptions()
    assert build_options.recognition_options(ModelArguments()) == RecognitionOptions()
    assert build_options.cue_options(CueArguments(), ()) == CueOptions()


@pytest.mark.parametrize(
    ("raw_channels", "channels", "count", "heard"),
    [
        (None, "mix", 1, "mix"),
        (None, "2", 2, "mix"),  # as in: --raw s16le --rate 8000 --channels 2
        (None, "split", 1, "split"),
        (2, "mix", 2, "mix"),
        (2, "1", 2, 1),
        (2, "split", 2, "split"),
    ],
)
def test_channels_of_raw_pcm(raw_channels, channels, count, heard):
    inputs = InputArguments(raw="s16le", rate=8000, raw_channels=raw_channels)
    options = build_options.audio_options(inputs, AudioArguments(channels=channels))
    assert options.raw == RawFormat(encoding="s16le", rate=8000, channels=count)
    assert options.channels == heard


def test_a_style_gives_way_to_options_set_on_their_own():
    arguments = CueArguments(subtitle_style="short", max_lines=3)
    styled = build_options.cue_options(arguments, ())
    assert (styled.max_words, styled.max_lines) == (4, 1)
    assert build_options.cue_options(arguments, {"max_lines"}).max_lines == 3


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
def test_times(text, seconds):
    assert option_types.time(text) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1:60", "1:2:3:4", "nan", "inf", "", "1:", ":30"])
def test_what_is_no_time(text):
    with pytest.raises(typer.BadParameter):
        option_types.time(text)


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 10**6))
def test_a_time_reads_the_same_in_both_forms(seconds):
    clock = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    assert option_types.time(clock) == option_types.time(str(seconds)) == seconds


def test_hotwords_from_words_and_files(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("# names\nHedy Lamarr 30\nZvon\n", encoding="utf-8")
    expected = (Hotword(text="Hedy Lamarr", weight=30), Hotword(text="Zvon"))
    assert option_types.hotwords([f"@{path}"]) == expected
    assert option_types.hotwords(["Hedy Lamarr 30, Zvon"]) == expected
    assert option_types.hotwords(["Hedy Lamarr:30", "Zvon"]) == expected
    with pytest.raises(UsageError):
        option_types.hotwords(["word 200"])


def test_lists_hold_each_item_once_in_order():
    assert option_types.split_list(["srt, txt", "json", "txt"]) == ("srt", "txt", "json")
