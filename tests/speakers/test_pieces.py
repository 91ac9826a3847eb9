"""Which frames of a window are embedded, and what the service makes of windows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.speakers.loading import diarization_spec
from asrcli.speakers.networks import load_networks
from asrcli.speakers.pieces import find_pieces, levels, never_alone
from asrcli.speakers.service import DiarizationService
from asrcli.speakers.types import (
    FRAME_OFFSET,
    FRAME_SECONDS,
    FRAME_STEP,
    FRAMES,
    HOP,
    WINDOW,
    DiarizationRequest,
    Mask,
    runs,
    same_direction,
    zone,
)  # fmt: skip
from asrcli.transcript import Turn
from tests.speakers.tone_voices import conversation

ALL = slice(0, FRAMES)
LEVEL = np.ones(FRAMES, np.float32)


def activity(*speakers: list[tuple[int, int]]) -> Mask:
    found = np.zeros((len(speakers), FRAMES), bool)
    for row, spans in zip(found, speakers, strict=True):
        for start, end in spans:
            row[start:end] = True
    return found


def test_a_piece_has_one_speaker_alone_in_the_zone() -> None:
    active = activity([(50, 150)], [(120, 220)])
    assert find_pieces(active, ALL, LEVEL) == [(0, 50, 120), (1, 150, 220)]
    assert find_pieces(active, slice(80, 190), LEVEL) == [(0, 80, 120), (1, 150, 190)]


@pytest.mark.parametrize(("length", "count"), [(23, 0), (24, 1), (118, 1), (119, 2)])
def test_the_shortest_and_the_longest_piece(length: int, count: int) -> None:
    assert len(find_pieces(activity([(100, 100 + length)]), ALL, LEVEL)) == count


def test_a_short_pause_without_speech_ends_no_piece() -> None:
    assert find_pieces(activity([(100, 130), (141, 180)]), ALL, LEVEL) == [(0, 100, 180)]
    assert find_pieces(activity([(100, 130), (142, 180)]), ALL, LEVEL) == [(0, 100, 130), (0, 142, 180)]
    interrupted = activity([(100, 130), (141, 180)], [(134, 136)])
    assert find_pieces(interrupted, ALL, LEVEL) == [(0, 100, 130), (0, 141, 180)]


def test_a_long_run_is_divided_where_it_is_quietest() -> None:
    level = LEVEL.copy()
    level[[181, 218, 219]] = 0.5, 0.6, 0.1  # the last is too far from the middle
    assert find_pieces(activity([(100, 300)]), ALL, level) == [(0, 100, 218), (0, 218, 300)]
    level[182] = 0.2
    assert find_pieces(activity([(100, 300)]), ALL, level) == [(0, 100, 182), (0, 182, 300)]


def test_who_is_never_alone_has_frames_all_the_same() -> None:
    active = activity([(50, 250)], [(100, 140)], [])
    pieces = find_pieces(active, ALL, LEVEL)
    ((local, frames),) = never_alone(active, ALL, pieces)
    assert local == 1
    np.testing.assert_array_equal(frames, active[1])
    ((_, inside),) = never_alone(active, slice(0, 120), pieces)
    np.testing.assert_array_equal(inside, activity([(100, 120)])[0])
    assert never_alone(active, slice(300, FRAMES), pieces) == []


def test_levels_are_the_power_of_each_frame_smoothed() -> None:
    window = np.zeros(WINDOW, np.float32)
    window[100 * FRAME_STEP : 101 * FRAME_STEP] = 0.6
    found = levels(window)
    assert found.shape == (FRAMES,)
    assert found[98:104] == pytest.approx([0.06] * 6)
    assert found[:98].max() == found[104:].max() == 0
    assert levels(window[: 100 * FRAME_STEP + 135])[100] == pytest.approx(0.03)  # a window that the stream ends in


class Networks:
    """Segmentation that finds what it is given; embeddings of known directions, and the frames that were asked for."""

    dimensions, longest, sure = 2, 40, 0.5

    def __init__(self, *found: Mask) -> None:
        self.found = list(found)
        self.frames: list[list[int]] = []
        self.prepared: list[float] = []

    def segment(self, window: np.ndarray) -> Mask:
        return self.found[round(float(window[0]))]

    def prepare(self, window: np.ndarray) -> float:
        self.prepared.append(float(window[0]))
        return float(window[0])

    def __call__(self, prepared: float, frames: Mask) -> Any:
        self.frames.append(np.flatnonzero(frames).tolist())
        kinds = [[3.0, 4.0], [np.nan, 1.0], None, [0.0, 5.0]]
        vector = kinds[(len(self.frames) - 1) % 4]
        return None if vector is None else np.array(vector, np.float32)


def test_the_service_embeds_the_pieces_that_each_window_decides() -> None:
    lead = zone(first=False, last=False)
    first = activity([(10, 100), (120, 170)], [(130, 160)])
    second = activity([(0, lead.start)], [])
    third = activity([(200, 230), (560, 589)], [])
    networks = Networks(first, second, third)
    samples = np.zeros(2 * HOP + WINDOW, np.float32)
    samples[HOP], samples[2 * HOP] = 1, 2
    service = DiarizationService(networks.segment, networks)
    job = DecodeJob(samples, DiarizationRequest(windows=3, starts=True, ends=True))
    (result,) = service.run([job])
    np.testing.assert_array_equal(result.activity, [first, second, third])
    assert networks.prepared == [0, 2]  # the second window decides nothing that is spoken
    # The middle of a long piece; of a speaker who is never alone all frames, up to the same number.
    assert networks.frames == [
        list(range(35, 75)), list(range(130, 160)), list(range(200, 230)), list(range(560, 589)),
    ]  # fmt: skip
    np.testing.assert_array_equal(result.pieces, [(0, 0, 10, 100), (2, 0, 560, 589)])
    np.testing.assert_allclose(result.embeddings, [(0.6, 0.8), (0, 1)])
    assert (result.activity.dtype, result.pieces.dtype, result.embeddings.dtype) == (bool, np.int32, np.float32)
    assert result.bits.nbytes < result.activity.nbytes / 7.9


class Voices:
    """Embeddings of known directions, for frames from a number on; and the first frames that were asked for."""

    dimensions, longest = 2, FRAMES
    #: of (0, 1) and (4, 3), at the precision of embeddings
    sure = float(np.float32(0.6))

    def __init__(self, directions: dict[int, tuple[float, float] | None]) -> None:
        self.directions = directions
        self.asked: list[int] = []

    def prepare(self, window: np.ndarray) -> None:
        return None

    def __call__(self, prepared: None, frames: Mask) -> Any:
        first = int(frames.argmax())
        self.asked.append(first)
        found = self.directions[max(start for start in self.directions if start <= first)]
        return None if found is None else np.array(found, np.float32)


def embedded(active: Mask, voices: Voices) -> list[tuple[int, ...]]:
    """The pieces that the service makes of one window, which is silent: runs are divided 18 frames before each equal
    part ends.
    """
    job = DecodeJob(np.zeros(WINDOW, np.float32), DiarizationRequest(windows=1, starts=True, ends=True))
    (result,) = DiarizationService(lambda _: active, voices).run([job])
    return [tuple(piece[1:]) for piece in result.pieces.tolist()]


ALIKE, THRESHOLD, NEARER = (0.0, 1.0), (4.0, 3.0), (3.0, 4.0)


@pytest.mark.parametrize(
    ("directions", "pieces", "asked"),
    [
        # The first and the last piece are one voice: each has half of the one between, whatever that is.
        ({0: ALIKE}, [(0, 0, 157), (0, 157, 350)], [0, 215]),
        ({0: ALIKE, 99: THRESHOLD, 215: NEARER}, [(0, 0, 157), (0, 157, 350)], [0, 215]),
        # They are not surely one.
        ({0: ALIKE, 215: THRESHOLD}, [(0, 0, 99), (0, 99, 215), (0, 215, 350)], [0, 215, 99]),
        # One of them has no embedding.
        ({0: None, 99: ALIKE}, [(0, 99, 215), (0, 215, 350)], [0, 215, 99]),
        ({0: ALIKE, 215: (np.inf, 1.0)}, [(0, 0, 99), (0, 99, 215)], [0, 215, 99]),
    ],
)
def test_of_three_pieces_in_a_row_the_second_may_go_without_embedding(
    directions: dict[int, tuple[float, float] | None], pieces: list[tuple[int, ...]], asked: list[int]
) -> None:
    voices = Voices(directions)
    assert embedded(activity([(0, 350)]), voices) == pieces
    assert voices.asked == asked


def test_of_each_run_of_three_pieces_the_second_may_go_without_embedding() -> None:
    voices = Voices({0: ALIKE})
    halves = [(0, 0, 122), (0, 122, 280), (1, 290, 412), (1, 412, 570)]
    assert embedded(activity([(0, 280)], [(290, 570)]), voices) == halves
    assert len(voices.asked) == 4


def test_of_four_pieces_in_a_row_one_goes_without_embedding() -> None:
    voices = Voices({0: ALIKE})
    assert embedded(activity([(0, 470)]), voices) == [(0, 0, 100), (0, 100, 275), (0, 275, 470)]
    assert voices.asked == [0, 334, 100]


@pytest.mark.parametrize(
    ("active", "pieces"),
    [
        (activity([(0, 110), (130, 240), (260, 350)]), [(0, 0, 110), (0, 130, 240), (0, 260, 350)]),
        (activity([(0, 110)], [(110, 220)], [(220, 330)]), [(0, 0, 110), (1, 110, 220), (2, 220, 330)]),
        (activity([(0, 110), (130, 330)]), [(0, 0, 110), (0, 130, 212), (0, 212, 330)]),
        (activity([(0, 110)], [(110, 310)]), [(0, 0, 110), (1, 110, 192), (1, 192, 310)]),
    ],
)
def test_pieces_after_a_pause_or_of_other_speakers_have_embeddings(active: Mask, pieces: list[tuple[int, ...]]) -> None:
    assert embedded(active, Voices({0: ALIKE})) == pieces


@pytest.mark.parametrize(
    ("starts", "ends", "piece"), [(False, False, (146, 250)), (True, False, (140, 250)), (False, True, (146, 250))]
)
def test_a_piece_ends_where_the_neighbouring_window_decides(starts: bool, ends: bool, piece: tuple[int, int]) -> None:
    job = DecodeJob(np.zeros(WINDOW, np.float32), DiarizationRequest(1, starts, ends))
    (result,) = DiarizationService(lambda _: activity([(140, 250)]), Voices({0: ALIKE})).run([job])
    assert result.pieces.tolist() == [[0, 0, *piece]]


def test_windows_without_speech_have_no_pieces() -> None:
    networks = Networks(activity([]))
    job = DecodeJob(np.zeros(WINDOW, np.float32), DiarizationRequest(windows=1, starts=False, ends=False))
    (result,) = DiarizationService(networks.segment, networks).run([job])
    assert (result.pieces.shape, result.embeddings.shape) == ((0, 4), (0, 2))


def test_the_networks_of_sherpa_onnx_in_this_process(tone_specs: tuple[ModelSpec, ModelSpec]) -> None:
    segment, embed = load_networks(diarization_spec(*tone_specs))
    window = conversation([Turn(1, 4, "0"), Turn(5, 8, "1")], 10)
    active = segment(window)
    assert active.shape == (3, FRAMES)
    at = [round((seconds - FRAME_OFFSET) / FRAME_SECONDS) for seconds in (1, 4, 5, 8)]
    spans = [span for speaker in active for span in runs(speaker)]
    np.testing.assert_allclose(sorted(spans), [at[:2], at[2:]], atol=3)
    assert segment(window[: 6 * 16000])[:, round(6 / FRAME_SECONDS) :].sum() == 0  # the recording ends in the window
    pausing = segment(conversation([Turn(1, 3, "0"), Turn(3.3, 5, "0")], 10))
    assert [len(runs(speaker)) for speaker in pausing if speaker.any()] == [2], "no pause is filled"
    masks = [speaker for speaker in active if speaker.any()]
    one, other, again = (same_direction(embed(embed.prepare(window), mask)) for mask in (*masks, masks[0]))
    assert one.shape == (embed.dimensions,)
    assert one @ again == pytest.approx(1)
    assert one @ other < 0.5
    assert embed(embed.prepare(window), np.zeros(FRAMES, bool)) is None
