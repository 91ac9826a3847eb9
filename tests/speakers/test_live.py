"""Speakers of live streams: sentence after sentence, with labels that stay."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.options import SpeakerOptions
from asrcli.speakers.clustering import ClusterLimits
from asrcli.speakers.diarizer import Diarizer, Pieces, Voice
from asrcli.speakers.live import _KEPT, SpeakerMemory, StreamDiarizer
from asrcli.speakers.loading import SERVICE, Prepared, diarization_spec
from asrcli.speakers.types import same_direction
from asrcli.transcript import Segment, Turn, Word
from tests.speakers.tone_voices import RATE, conversation

LIMITS = ClusterLimits(threshold=0.5, join=0.4, speech=1.0)


@pytest.fixture(scope="module")
def sentences(engine: EngineClient, tone_specs: tuple[ModelSpec, ModelSpec]) -> Callable[..., Any]:
    """`sentences(known=[...], speakers=2)`: labels one sentence after the other, each of some tones of 2 s."""
    spec = diarization_spec(*tone_specs)
    engine.load("live", SERVICE, spec).result()

    def stream(known: tuple[Voice, ...] = (), **options: Any) -> Callable[[str], list[str | None]]:
        asked = SpeakerOptions(enabled=True, **options)
        new = Prepared(spec, spec, asked, known, "").live_diarizers(
            partial(engine.submit, "live"), SpeakerMemory(asked)
        )

        def label(voices: str) -> list[str | None]:
            diarizer = new()
            diarizer.push(
                conversation(
                    [Turn(2 * at, 2 * at + 2, voice) for at, voice in enumerate(voices) if voice != "-"],
                    2 * len(voices),
                )
            )
            diarizer.finish()
            words = tuple(Word(f"w{at}.", 50 + 2 * at, 51.8 + 2 * at) for at in range(len(voices)))
            found, _ = diarizer.label([Segment(0, 50, 50 + 2 * len(voices), "", words)], offset=50)
            return [word.speaker for part in found for word in part.words]

        return label

    return stream


def test_a_voice_has_one_label_in_all_sentences(sentences: Callable[..., Any]) -> None:
    label = sentences()
    found = [label(voices) for voices in ("1", "1", "0", "10", "2", "01", "2")]
    one, zero, two = "Speaker 1", "Speaker 2", "Speaker 3"
    assert found == [[one], [one], [zero], [one, zero], [two], [zero, one], [two]]


def test_a_sentence_without_a_voice_is_of_the_last_speaker(sentences: Callable[..., Any]) -> None:
    label = sentences()
    assert [label(voices) for voices in ("-", "1", "0", "-")] == [[None], ["Speaker 1"], ["Speaker 2"], ["Speaker 2"]]


def test_no_more_speakers_than_asked_for(sentences: Callable[..., Any]) -> None:
    label = sentences(speakers=2)
    found = {name for voices in ("1", "0", "2", "120", "2") for name in label(voices)}
    assert found == {"Speaker 1", "Speaker 2"}


def test_an_enrolled_voice_has_its_name(sentences: Callable[..., Any], tone_diarizer: Callable[..., Diarizer]) -> None:
    alone = tone_diarizer()
    alone.push(conversation([Turn(0, 8, "2")], 8))
    alone.finish()
    [embedding] = alone.voices.values()
    label = sentences(known=(Voice("Ada", embedding),))
    assert [label(voices) for voices in ("1", "2", "12")] == [["Speaker 1"], ["Ada"], ["Speaker 1", "Ada"]]


def test_a_pipe_is_a_recording_until_its_first_segments_are_settled(
    engine: EngineClient, tone_specs: tuple[ModelSpec, ModelSpec]
) -> None:
    spec = diarization_spec(*tone_specs)
    engine.load("live", SERVICE, spec).result()
    asked = SpeakerOptions(enabled=True, speakers=3)
    stream = Prepared(spec, spec, asked, (), "").diarizers(partial(engine.submit, "live"), stream=True)()
    assert isinstance(stream, StreamDiarizer)
    heard = 0

    def settle(*parts: str) -> list[str | None]:
        """Hear tones of 2 s each, settle a segment of each part, and return the speakers of the words."""
        nonlocal heard
        segments = []
        for voices in parts:
            start, words = float(heard), []
            for at, voice in enumerate(voices):
                stream.push(conversation([Turn(0, 2, voice)] if voice != "-" else [], 2, seed=heard + at))
                words.append(Word("w.", 50 + start + 2 * at, 50 + start + 2 * at + 1.8))
            heard += 2 * len(voices)
            segments.append(Segment(0, words[0].start, words[-1].end, "", tuple(words)))
        stream.push(conversation([], 2, seed=heard))  # what follows is heard before the text is recognised
        heard += 2
        return [word.speaker for part in stream.settle(segments, 50.0) for word in part.words]

    one, zero, two = "Speaker 1", "Speaker 2", "Speaker 3"
    assert settle("1", "0", "1", "1") == [one, zero, one, one]
    assert settle("0") == [zero]
    assert settle("21") == [two, one]
    assert settle("0", "2") == [zero, two]
    assert stream.warnings == []

    late = Segment(0, 50.0 + heard, 52.0 + heard, "", (Word("w.", 50.0 + heard, 52.0 + heard),))
    stream.push(conversation([Turn(0, 2, "1")], 2))
    stream.push(np.zeros(130 * RATE, np.float32))  # recognition is behind
    stream.push(np.zeros(130 * RATE, np.float32))
    assert stream.settle([late], 50.0) == [late]
    (warning,) = stream.warnings
    span = f"{50 + heard:.1f} to {52 + heard:.1f} s"
    assert warning == f"speakers: {span}: Their sound is not held any more: recognition is too far behind."


def test_older_pieces_are_replaced_by_the_mean_of_each_voice() -> None:
    """Speech of all of them counts as before, and windows stay in order, those of each sentence apart."""
    memory, random, heard = SpeakerMemory(SpeakerOptions(enabled=True)), np.random.default_rng(0), 0.0
    for sentence in range(30):
        voice = sentence % 3
        vectors = same_direction(np.eye(8)[[voice] * 20] + random.normal(0, 0.1, (20, 8))).astype(np.float32)
        tracks = np.stack([5 + np.arange(20), np.zeros(20, np.int_)], axis=1)
        voices = memory.voices(Pieces(vectors, np.full(20, 1.5), tracks), LIMITS)
        heard += 20 * 1.5
        assert memory.name(int((vectors @ voices.T).sum(axis=0).argmax()), None) == f"Speaker {voice + 1}"
        windows = memory._pieces.tracks[:, 0]
        assert (np.diff(windows) >= 0).all()
        assert len(np.unique(windows[-40:])) == len(windows[-40:])
        assert memory._pieces.seconds.sum() == pytest.approx(heard)
        assert np.linalg.norm(memory._pieces.embeddings, axis=1) == pytest.approx(1.0)
    assert len(memory._pieces.seconds) < 30 * 20
    means = memory._pieces.embeddings[:3]
    assert means.dtype == np.float32
    assert means.argmax(axis=1).tolist() == [0, 1, 2]
    assert means.max(axis=1).min() > 0.99


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=1, max_size=60), st.integers(0, 9))
def test_labels_of_a_long_stream_stay_and_memory_is_bounded(spoken: list[tuple[int, int]], seed: int) -> None:
    random = np.random.default_rng(seed)
    memory = SpeakerMemory(SpeakerOptions(enabled=True))
    label_of: dict[int, str] = {}
    for voice, count in spoken:
        vectors = np.eye(8)[[voice] * count] + random.normal(0, 0.1, (count, 8))
        vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
        tracks = np.stack([np.arange(count), np.zeros(count, np.int_)], axis=1)
        voices = memory.voices(Pieces(vectors, np.full(count, 1.5), tracks), LIMITS)
        heard = int((vectors @ voices.T).sum(axis=0).argmax())
        assert memory.name(heard, None) == label_of.setdefault(voice, f"Speaker {len(label_of) + 1}")
        assert len(memory._labels) <= _KEPT + 30 + 5
