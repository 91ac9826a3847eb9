"""The embedded speaker networks on real recordings, as `--diarize` uses them without any model installed."""

from __future__ import annotations

import math
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import kaldi_native_fbank as knf
import numpy as np
import pytest
import soundfile

from asrcli.backends.types import DecodeJob, ModelSpec
from asrcli.errors import ModelError
from asrcli.evaluate.diarization import read_rttm, score_turns
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions
from asrcli.speakers import fbank, networks
from asrcli.speakers.diarizer import Diarizer
from asrcli.speakers.loading import thresholds
from asrcli.speakers.networks import load_networks
from asrcli.speakers.service import DiarizationService
from asrcli.speakers.types import FRAME_STEP, FRAMES, WINDOW, DiarizationRequest, same_direction
from asrcli.transcript import Turn
from tests.speakers.tone_voices import RATE

Maker = Callable[..., Diarizer]


def turns_of(shared: Path, make: Maker, folder: str, name: str) -> tuple[list[Turn], list[Turn]]:
    suffix = "flac" if folder == "conversations" else "wav"
    audio, rate = soundfile.read(shared / f"data/{folder}/{name}.{suffix}", dtype="float32")
    assert rate == RATE
    (truth,) = read_rttm((shared / f"data/{folder}/{name}.rttm").read_text()).values()
    diarizer = make()
    diarizer.push(audio)
    return truth, diarizer.finish()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "name", "most"),
    [
        ("speakers", "librispeech_conv2", 0.08),
        ("speakers", "librispeech_conv4", 0.10),
        ("speakers", "pyannote_sample", 0.05),
        ("conversations", "d_tr_read1", 0.10),
        ("conversations", "d_tr_read6", 0.06),
    ],
)
def test_conversations(shared: Path, embedded_diarizer: Maker, folder: str, name: str, most: float) -> None:
    truth, turns = turns_of(shared, embedded_diarizer, folder, name)
    assert len({turn.speaker for turn in turns}) == len({turn.speaker for turn in truth})
    assert score_turns(truth, turns, collar=0.125).der <= most


@pytest.mark.slow
def test_a_clip_of_one_voice_has_one_speaker(shared: Path, embedded_diarizer: Maker) -> None:
    """Also at two levels, clipped, and after a long pause."""
    paths = [path for path in sorted((shared / "data/speech").iterdir()) if path.suffix in {".wav", ".flac"}]
    heard = [soundfile.read(path, dtype="float32") for path in paths if path.stat().st_size < 400_000]
    clips = [audio for audio, rate in heard if rate == RATE]
    assert len(clips) >= 12
    whole, silence = max(clips, key=len), np.zeros(9 * RATE, np.float32)
    for audio in (*clips, np.concatenate([whole, 0.1 * whole, silence, np.clip(8 * whole, -0.9, 0.9)])):
        diarizer = embedded_diarizer()
        diarizer.push(audio)
        assert {turn.speaker for turn in diarizer.finish()} == {"Speaker 1"}


def test_noise_has_no_speaker(shared: Path, embedded_diarizer: Maker) -> None:
    rng, time = np.random.default_rng(0), np.arange(10 * RATE) / RATE
    white = 0.1 * rng.standard_normal(len(time))
    hum = 0.3 * np.sin(2 * np.pi * 50 * time) + 0.1 * np.sin(2 * np.pi * 150 * time)
    tune = 0.3 * np.sin(2 * np.pi * 220 * 2 ** (np.floor(4 * time) % 12 / 12) * time)
    recorded = [soundfile.read(path, dtype="float32")[0] for path in sorted((shared / "data/noise").glob("*.wav"))]
    for audio in (white, np.cumsum(white) / 40, hum, tune, 0 * time, *recorded):
        diarizer = embedded_diarizer()
        diarizer.push(np.asarray(audio, np.float32))
        assert diarizer.finish() == []


def test_speech_of_one_speaker_in_a_window(embedded_spec: ModelSpec, wheel_audio: Path) -> None:
    audio, rate = soundfile.read(wheel_audio / "beckett.wav", dtype="float32")
    assert rate == RATE
    segment, embed = load_networks(embedded_spec)
    active = segment(audio[:WINDOW])
    assert active.shape[1] == FRAMES
    spoken = np.flatnonzero(active.any(axis=0))
    halves = [np.isin(np.arange(FRAMES), half) for half in np.array_split(spoken, 2)]
    one, other = (same_direction(embed(embed.prepare(audio[:WINDOW]), half)) for half in halves)
    assert one.shape == (embed.dimensions,)
    assert one @ other > 0.45
    assert active.any(axis=0).mean() > 0.6
    assert np.median(active.sum(axis=0)) == 1
    assert not segment(audio[: 6 * RATE])[:, math.ceil(6 * RATE / FRAME_STEP) :].any()  # the recording ends there
    assert not segment(np.zeros(WINDOW, np.float32)).any()


@pytest.mark.slow
def test_the_size_of_blocks_does_not_matter(shared: Path, embedded_diarizer: Maker) -> None:
    audio, _ = soundfile.read(shared / "data/speakers/librispeech_conv2.wav", dtype="float32")
    found = []
    for size in (len(audio), 7777):
        diarizer = embedded_diarizer()
        for start in range(0, len(audio), size):
            diarizer.push(audio[start : start + size])
        found.append(diarizer.finish())
    assert found[0] == found[1]


def test_the_embedded_networks_are_models_of_the_registry(embedded_spec: ModelSpec) -> None:
    registry = Registry()
    for kind in builtin.SPEAKER_KINDS:
        entry = registry.entry(builtin.speaker_name(kind))
        assert (entry.kind, entry.source, entry.licence) == (kind, "embedded", "CC BY 4.0")
        assert not registry.missing(entry)
        assert registry.resolve("community-1", kind=kind).digest == entry.digest
    assert thresholds(embedded_spec).voice == 0.4


def test_the_order_is_option_then_installed_then_embedded(
    embedded_spec: ModelSpec, shared: Path, tmp_path: Path
) -> None:
    registry = Registry(tmp_path)
    assert registry.default_name("segmentation") == "community-1"
    shutil.copytree(
        shared / "models/pyannote-segmentation-3-0-int8",
        tmp_path / registry.entry("pyannote-segmentation-3-0-int8").dir,
    )
    installed = Registry(tmp_path)
    assert installed.resolve(kind="segmentation").name == "pyannote-segmentation-3-0-int8"
    assert installed.resolve("community-1", kind="segmentation").name == "community-1"
    assert installed.resolve(kind="embedding").name == "community-1-embedding"


@pytest.mark.slow
def test_an_installed_segmentation_works_with_the_embedded_embedding(
    shared: Path, make_diarizers: Callable[..., Maker]
) -> None:
    registry = Registry()
    segmentation = registry.resolve(str(shared / "models/pyannote-segmentation-3-0-int8"), kind="segmentation")
    make = make_diarizers("mixed", segmentation, registry.resolve("community-1", kind="embedding"))
    truth, turns = turns_of(shared, make, "speakers", "librispeech_conv2")
    assert len({turn.speaker for turn in turns}) == 2
    assert score_turns(truth, turns, collar=0.125).der <= 0.10


def test_another_library_is_refused(tmp_path: Path) -> None:
    """A wheel without the networks, or with damaged ones."""
    library = builtin.speaker_entry("segmentation")
    if library is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    data = bytearray((Path(library.dir) / library.files["model"]).read_bytes())
    at = data.index(b"ORTM")
    data[at + 1000] ^= 1
    for name, content in (("damaged.so", bytes(data)), ("empty.so", b"ORTM" * 4)):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelError, match="does not contain the") as caught:
            [builtin.read_network(path, kind) for kind in builtin.SPEAKER_KINDS]
        assert "pip install" in caught.value.hint


@pytest.mark.parametrize("writable", [True, False])
def test_the_embedding_with_unpacked_weights_gives_the_same_vectors(
    embedded_spec: ModelSpec, writable: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path if writable else tmp_path / "missing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache" if writable else "/dev/null"))
    embed, again = (load_networks(embedded_spec)[1] for _ in range(2))
    assert isinstance(embed, networks._CommunityEmbedding)
    assert isinstance(again, networks._CommunityEmbedding)
    plain = networks._open_session(builtin.read_network(embedded_spec.files["embedding"], "embedding"))
    features = np.random.default_rng(0).normal(0, 2, (1, 90, 80)).astype(np.float32)
    inputs = {"fbank": features, "weights": np.ones((1, 90), np.float32)}
    vectors = embed._session.run(None, inputs)[0]
    assert np.allclose(vectors, plain.run(None, inputs)[0], atol=1e-4)
    assert np.array_equal(vectors, again._session.run(None, inputs)[0])
    assert [path.name for path in tmp_path.iterdir()] == ["cache"] * writable


def test_a_piece_between_two_of_one_voice_is_not_embedded(
    shared: Path, embedded_spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    audio, _ = soundfile.read(shared / "data/conversations/d_tr_read1.flac", dtype="float32", frames=WINDOW)
    segment, embed = load_networks(embedded_spec)
    jobs = [DecodeJob(audio, DiarizationRequest(1, starts=True, ends=True))]
    (found,) = DiarizationService(segment, embed).run(jobs)
    monkeypatch.setattr(embed, "sure", math.inf)
    (every,) = DiarizationService(segment, embed).run(jobs)
    pieces, left_out = every.pieces.tolist(), set(range(len(every.pieces)))
    for (*who, start, end), vector in zip(found.pieces.tolist(), found.embeddings, strict=True):
        (number,) = (n for n, piece in enumerate(pieces) if piece[:2] == who and start <= piece[2] and piece[3] <= end)
        assert np.array_equal(vector, every.embeddings[number])
        left_out.remove(number)
    assert left_out
    for number in left_out:
        before, piece, after = pieces[number - 1 : number + 2]
        assert (before[3], piece[3]) == (piece[2], after[2])
        assert every.embeddings[number - 1] @ every.embeddings[number + 1] > 0.45
    spoken = [int((each.pieces[:, 3] - each.pieces[:, 2]).sum()) for each in (found, every)]
    assert spoken[0] == spoken[1], "voices of too little speech are left out"


@pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="other allocators return what layers free"
)
def test_the_networks_have_one_heap_for_all_threads(embedded_spec: ModelSpec) -> None:
    """Arenas of onnxruntime's, one for each thread of each network, took 40 MB more."""
    for network in load_networks(embedded_spec):
        assert not network._session.get_session_options().enable_cpu_mem_arena


def test_without_the_wheel_the_downloads_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(builtin, "find_spec", lambda _name: None)
    registry = Registry(tmp_path)
    assert registry.default_name("segmentation") == "pyannote-segmentation-3-0"
    with pytest.raises(ModelError) as caught:
        registry.resolve(kind="segmentation")
    assert "asrcli download-model pyannote-segmentation-3-0" in caught.value.hint
    assert "pip install" in caught.value.hint


def test_fbank_is_kaldis() -> None:
    """Against kaldi-native-fbank."""
    options = knf.FbankOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.window_type = "hamming"
    options.frame_opts.snip_edges = True
    options.mel_opts.num_bins = 80
    audio = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    theirs = knf.OnlineFbank(options)
    theirs.accept_waveform(RATE, (audio * 32768).tolist())
    expected = np.array([theirs.get_frame(frame) for frame in range(theirs.num_frames_ready)])
    assert np.allclose(fbank.fbank(audio), expected - expected.mean(axis=0), atol=0.01)


@pytest.mark.parametrize("samples", [0, 399])
def test_too_short_for_a_feature(samples: int) -> None:
    none = fbank.fbank(np.zeros(samples, np.float32))
    assert (none.shape, none.dtype) == ((0, 80), np.float32)


def test_options_of_the_user_go_first(embedded_spec: ModelSpec) -> None:
    moved = thresholds(embedded_spec).limits(SpeakerOptions(cluster_threshold=0.443))
    assert (moved.threshold, moved.join) == (pytest.approx(0.31, abs=1e-3), pytest.approx(0.225))
