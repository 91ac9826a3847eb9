"""A chunk at which the engine fails takes no other with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob, Hypothesis
from asrcli.errors import EngineError, ModelError
from asrcli.options import RecognitionOptions
from tests.tone import build, tone_audio, tone_spec


def fail_beyond(path: Path, frames: int) -> None:
    """Make a model look up the number of its frames in a table that is too short for long chunks."""
    model = onnx.load(str(path))
    scores = model.graph.output[0].name
    last = next(node for node in model.graph.node if scores in node.output)
    last.output[list(last.output).index(scores)] = "sound_logits"
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.zeros(frames + 1, np.float32), "table"),
            numpy_helper.from_array(np.array(0.0, np.float32), "nothing"),
        ]
    )
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["x"], ["frames"], start=1, end=2),
            helper.make_node("Gather", ["table", "frames"], ["entry"]),
            helper.make_node("Mul", ["entry", "nothing"], ["addend"]),
            helper.make_node("Add", ["sound_logits", "addend"], [scores]),
        ]
    )
    onnx.save(model, str(path))


# SenseVoice's implementation swallows the failure and leaves all streams without an answer; CTC's throws.
@pytest.mark.parametrize(("kind", "frames"), [("zipformer_ctc", 150), ("sense_voice", 25)])
def test_one_bad_chunk_fails_alone(tmp_path: Path, kind: str, frames: int) -> None:
    spec = tone_spec(kind, build(kind, tmp_path / kind))
    fail_beyond(spec.files["model"], frames)
    recognizer = load(spec, 1)
    # Chunks of 1.2 s are sound; one of 1.6 s is not.
    recordings = [tone_audio([tone, 2]) for tone in (0, 5, 3)]
    recordings[1] = np.concatenate([recordings[1], recordings[1][:6400]])
    results = recognizer.run([DecodeJob(recording, RecognitionOptions()) for recording in recordings])
    assert isinstance(results[1], EngineError)
    assert "1.60 s" in results[1].message
    assert [one.text for one in results if isinstance(one, Hypothesis)] == ["do mi", "fa mi"]


def test_what_the_engine_throws_while_loading_is_an_error(tmp_path: Path) -> None:
    spec = tone_spec("zipformer_ctc", build("zipformer_ctc", tmp_path / "model"))
    path = spec.files["model"]
    model = onnx.load(str(path))
    model.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match="NoSuchOperator"):
        load(spec, 1)


def test_a_token_that_the_vocabulary_lacks(tmp_path: Path) -> None:
    """One line too few is no proof beforehand: some exports have classes that are never said."""
    words = [f"w{number}" for number in range(7)]
    spec = tone_spec("sense_voice", build("sense_voice", tmp_path / "model", words))
    path = spec.files["tokens"]
    lines = path.read_text("utf-8").splitlines(keepends=True)
    place = next(number for number, line in enumerate(lines) if line.startswith("▁w6 "))
    path.write_text("".join(lines[:place] + lines[place + 1 :]), "utf-8")
    unknown, known = load(spec, 1).run([DecodeJob(tone_audio([tone]), RecognitionOptions()) for tone in (6, 3)])
    assert isinstance(unknown, EngineError)  # fails its chunk, not the recording
    assert "emitted a token that its tokens.txt lacks" in unknown.message
    assert known.text == "w3"
