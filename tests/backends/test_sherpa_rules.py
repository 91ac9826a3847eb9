"""Text rewritten by finite-state rules inside the engine, and switched off for a request."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from asrcli.backends.sherpa.recognizer import load
from asrcli.backends.types import DecodeJob
from asrcli.options import RecognitionOptions
from tests.tone import tone_audio, tone_spec


def rewriting(old: bytes, new: bytes) -> bytes:
    """An FST in OpenFst's binary form that writes `new` (of one byte) for `old` and leaves all else as it is.

    State 0 passes every byte at a cost of 1; the path through the letters of `old` costs nothing.
    """
    arcs = [[(byte, byte, 1.0, 0) for byte in range(1, 256)]]
    arcs += [[] for _ in old[1:]]
    outputs = [new[0], *[0] * (len(old) - 1)]
    for place, (byte, output) in enumerate(zip(old, outputs, strict=True)):
        arcs[place].append((byte, output, 0.0, (place + 1) % len(old)))
    header = struct.pack("<i", 2125659606)
    for text in (b"vector", b"standard"):
        header += struct.pack("<i", len(text)) + text
    total = sum(map(len, arcs))
    header += struct.pack("<iiQqqq", 2, 0, 3, 0, len(arcs), total)
    body = b""
    for state, leaving in enumerate(arcs):
        body += struct.pack("<fq", 0.0 if state == 0 else float("inf"), len(leaving))
        body += b"".join(struct.pack("<iifi", *arc) for arc in leaving)
    return header + body


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.fst"
    path.write_bytes(rewriting(b"do", b"7"))
    return path


@pytest.mark.parametrize("kind", ["paraformer", "zipformer_ctc", "transducer", "sense_voice"])
@pytest.mark.parametrize("among", ["files", "options"])
def test_rules_rewrite_the_text_and_leave_the_tokens(
    tone_models: Callable[..., Path], rules: Path, kind: str, among: str
) -> None:
    spec = tone_spec(kind, tone_models(kind))
    fields = (
        {"files": {**spec.files, "rule_fsts": rules}} if among == "files" else {"options": {"rule_fsts": str(rules)}}
    )
    recognizer = load(tone_spec(kind, tone_models(kind), **fields), 1)
    rewritten, plain, again = (
        recognizer.run([DecodeJob(tone_audio([1, 0, 2]), RecognitionOptions(itn=itn))])[0]
        for itn in (True, False, True)
    )
    assert rewritten.text == again.text == "re 7 mi"
    # SenseVoice has a switch of its own, which the tone model shows by another word.
    assert plain.text == ("re dodo mi" if kind == "sense_voice" else "re do mi")
    assert [token.text.strip() for token in rewritten.tokens] == ["re", "do", "mi"]
