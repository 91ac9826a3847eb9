"""Detectors that run in the engine process, as the segmenter uses them."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np

from asrcli.vad.detector import engine_detector
from asrcli.vad.types import LEVEL_HOP, WINDOW


def test_the_engine_gets_the_second_before_each_window_in_whole_frames() -> None:
    stream = np.random.default_rng(0).uniform(-0.5, 0.5, 60 * WINDOW).astype(np.float32)
    before = np.concatenate([np.zeros(20_000, np.float32), stream])
    end = 0

    def submit(samples: np.ndarray, windows: tuple[int, int]) -> Future[np.ndarray]:
        assert windows[0] == WINDOW
        assert samples.dtype == np.float32
        start = end - len(samples)
        assert len(samples) - windows[1] * WINDOW >= 16_000
        assert start % LEVEL_HOP == 0
        np.testing.assert_array_equal(samples, before[20_000 + start : 20_000 + end])
        answer: Future[np.ndarray] = Future()
        answer.set_result(np.linspace(0, 1, windows[1], dtype=np.float32))
        return answer

    detector = engine_detector(submit)
    for count in (1, 2, 40, 7, 10):
        samples = stream[end : end + count * WINDOW]
        end += len(samples)
        np.testing.assert_array_equal(detector.probabilities(samples), np.linspace(0, 1, count, dtype=np.float32))
    assert len(detector.probabilities(stream[:0])) == 0
