from __future__ import annotations

import asyncio
import io
import struct
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.errors import AudioDecodeError
from asrcli.server.live.endpoint import NoiseGate
from asrcli.server.live.pcm import PcmDecoder, PcmForm, PcmStream, recording_in

WAVE = (np.sin(np.arange(4800) / 5) * 8000).astype("<i2")
HEADER = b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
LIST = b"LIST" + struct.pack("<I", 4) + b"INFO"


def decode(data: bytes, size: int, rate: int = 16000) -> np.ndarray:
    decoder = PcmDecoder(PcmForm(rate))
    parts = [decoder.push(data[start : start + size]) for start in range(0, len(data), size)]
    return np.concatenate([*parts, decoder.finish()])


@pytest.mark.parametrize("size", [1, 3, 640, 100000])
@pytest.mark.parametrize("header", [b"", HEADER + b"data\xff\xff\xff\xff", HEADER + LIST + b"data\xff\xff\xff\xff"])
def test_any_division_and_any_header(size: int, header: bytes) -> None:
    np.testing.assert_array_equal(decode(header + WAVE.tobytes(), size), WAVE / np.float32(32768))


def test_other_rates_keep_their_length() -> None:
    assert len(decode(WAVE.tobytes(), 333, rate=8000)) == 2 * len(WAVE)
    assert len(decode(WAVE.tobytes(), 333, rate=48000)) == len(WAVE) // 3


@pytest.mark.parametrize(
    ("tag", "channels", "rate", "dtype", "scale"),
    [(1, 1, 8000, "<i2", 8000), (1, 2, 16000, "<i2", 8000), (3, 1, 16000, "<f4", 0.25), (1, 1, 16000, "<i4", 2**29)],
)
def test_a_header_is_believed_rather_than_what_was_announced(
    tag: int, channels: int, rate: int, dtype: str, scale: float
) -> None:
    wave = np.sin(np.arange(4800) / 5) * scale
    bits = 8 * np.dtype(dtype).itemsize
    form = struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    data = np.repeat(wave.astype(dtype), channels).tobytes()
    header = b"RIFF" + struct.pack("<I", 36 + len(data)) + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data))
    heard = decode(header + data, 333, rate=44100)
    assert len(heard) == 4800 * 16000 // rate
    if rate == 16000:
        np.testing.assert_allclose(heard, np.sin(np.arange(4800) / 5) / 4, atol=0.01)


@pytest.mark.parametrize("encoding", ["u8", "mulaw", "s16le", "s32le"])
@pytest.mark.parametrize("rate", [1000, 1001, 8000, 16000, 192000])
def test_a_piece_becomes_a_bounded_number_of_samples(rate: int, encoding: str) -> None:
    decoder = PcmDecoder(PcmForm(rate, encoding=encoding))
    lengths = [len(decoder.push(b"\x80" * decoder.piece)) for _ in range(3)]
    assert 1000 < max(lengths) < 100_000


@pytest.mark.parametrize("data", [b"", b"R", b"RI", b"\x01"])
def test_streams_of_next_to_nothing(data: bytes) -> None:
    assert len(decode(data, 1)) == len(data) // 2


def test_samples_are_returned_with_the_bytes_that_complete_them() -> None:
    decoder = PcmDecoder()
    np.testing.assert_array_equal(decoder.push(b"\x00\x40"), [0.5])  # two bytes that no header begins with
    decoder = PcmDecoder()
    assert len(decoder.push(b"RIF")) == 0
    np.testing.assert_array_equal(decoder.push(b"e\x00\x40"), np.frombuffer(b"RIFe\x00\x40", "<i2") / 32768)
    decoder = PcmDecoder()
    np.testing.assert_array_equal(decoder.push(HEADER + b"data\xff\xff\xff\xff\x00\x40"), [0.5])  # a header, whole


def test_a_header_is_looked_for_only_at_the_start() -> None:
    decoder = PcmDecoder()
    for data in (b"\x00\x40", b"RI", b"RIFF\0\0data", HEADER + b"data\0\0\0\0"):
        np.testing.assert_array_equal(decoder.push(data), np.frombuffer(data, "<i2") / 32768)


@pytest.mark.parametrize(("tag", "channels", "rate"), [(7, 1, 8000), (1, 1, 400_000), (1, 9, 8000), (1, 0, 8000)])
def test_a_header_that_no_client_means_does_not_count(tag: int, channels: int, rate: int) -> None:
    form = struct.pack("<IHHIIHH", 16, tag, channels, rate, 32000, 2, 16)
    header = b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + form + b"data\xff\xff\xff\xff"
    np.testing.assert_array_equal(decode(header + WAVE.tobytes(), 333), WAVE / np.float32(32768))


def test_near_field_keeps_time_and_silences_what_is_far() -> None:
    near, far = np.full(3840, 0.1, np.float32), np.full(3840, 0.008, np.float32)
    audio = np.concatenate([near, far, near[:100]])
    filtered = NoiseGate(0.01)
    heard = np.concatenate([filtered.push(audio, speaking=False), filtered.finish(speaking=False)])
    np.testing.assert_array_equal(heard, np.concatenate([near, 0 * far, near[:100]]))
    # While someone speaks, six tenths of the level will do.
    np.testing.assert_array_equal(NoiseGate(0.01).push(audio, speaking=True), np.concatenate([near, far]))


def wav(tag: int, channels: int, rate: int, bits: int, data: bytes, *, before: bytes = b"") -> bytes:
    form = struct.pack("<IHHIIHH", 16, tag, channels, rate, rate * channels * bits // 8, channels * bits // 8, bits)
    return b"RIFF\0\0\0\0WAVEfmt " + form + before + b"data\xff\xff\xff\xff" + data


@pytest.mark.parametrize(
    ("tag", "bits", "dtype", "values"),
    [
        (1, 8, "u1", [0, 64, 128, 255]),
        (1, 16, "<i2", [-32768, -16384, 0, 32767]),
        (1, 32, "<i4", [-(2**31), -(2**30), 0, 2**31 - 1]),
        (3, 32, "<f4", [-1, -0.5, 0, 1]),
        (3, 64, "<f8", [-1, -0.5, 0, 1]),
    ],
)
def test_every_sample_type_has_its_full_scale(tag: int, bits: int, dtype: str, values: list[float]) -> None:
    expected = [-1, -0.5, 0, 1]
    data = np.array(values, dtype).tobytes()
    np.testing.assert_allclose(decode(wav(tag, 1, 16000, bits, data), 7), expected, atol=0.01)
    # Two channels are mixed.
    pairs = np.array([[value, values[2]] for value in values], dtype).tobytes()
    np.testing.assert_allclose(decode(wav(tag, 2, 16000, bits, pairs), 7), np.array(expected) / 2, atol=0.01)


@pytest.mark.parametrize(
    ("channels", "rate", "counts"),
    [(8, 16000, True), (9, 16000, False), (1, 1000, True), (1, 999, False), (1, 192000, True), (1, 192001, False)],
)
def test_the_limits_of_what_a_header_may_announce(channels: int, rate: int, counts: bool) -> None:
    frames = 1920
    data = bytes(2 * channels * frames)
    length = frames * 16000 / rate if counts else channels * frames
    assert len(decode(wav(1, channels, rate, 16, data), 4000)) == pytest.approx(length, abs=1)


def test_a_header_is_awaited_for_four_kibibytes() -> None:
    metadata = b"LIST" + struct.pack("<I", 5000) + bytes(5000)
    head = wav(1, 2, 16000, 16, b"", before=metadata)
    np.testing.assert_array_equal(decode(head + b"\0\x40\0\x40", 10**6), [0.5])  # whole at once it is read
    decoder = PcmDecoder()
    assert len(decoder.push(head[:4095])) == 0
    assert len(decoder.push(head[4095:4096])) == 2048
    # An unknown header ends with its "data" chunk, if it has one.
    unknown = b"RIFF\0\0\0\0MIDI" + bytes(100) + b"data\0\0\0\0"
    for samples in (b"\0\x40" * 4000, b"data" * 2000):
        np.testing.assert_array_equal(decode(unknown + samples, 10**6), np.frombuffer(samples, "<i2") / 32768)


@pytest.mark.parametrize("data", [b"", b"\1", b"RIFF\0\0", HEADER])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_samples_are_floats_where_there_are_none(data: bytes, rate: int) -> None:
    decoder = PcmDecoder(PcmForm(rate))
    assert [decoder.push(data).dtype, decoder.finish().dtype] == [np.float32] * 2


def test_a_stream_that_begins_like_riff_and_ends_is_sound() -> None:
    for data in (b"RI", b"RIFF", b"RIFF\0\0"):
        np.testing.assert_array_equal(decode(data, 1), np.frombuffer(data, "<i2").astype(np.float32) / 32768)


@pytest.mark.parametrize(
    ("tag", "bits", "data", "values"),
    [
        (1, 24, b"\x00\x00\x40\x00\x00\xc0", [0.5, -0.5]),
        (7, 8, b"\xff\x80\x00", [0.0, 0.98, -0.98]),
        (6, 8, b"\xaa\x2a", [0.98, -0.98]),
    ],
)
def test_encodings_that_files_have_are_read_live(tag: int, bits: int, data: bytes, values: list[float]) -> None:
    form = struct.pack("<IHHIIHH", 16, tag, 1, 16000, 16000 * bits // 8, bits // 8, bits)
    header = b"RIFF" + struct.pack("<I", 0) + b"WAVEfmt " + form + b"data" + struct.pack("<I", len(data))
    np.testing.assert_allclose(decode(header + data, 2), values, atol=0.01)


class Receiver:
    """Takes what a live session would."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    async def feed(self, samples: np.ndarray) -> None:
        self.parts.append(samples)


def received(data: bytes, size: int, *form: PcmForm) -> list[np.ndarray]:
    async def send() -> list[np.ndarray]:
        receiver: Any = Receiver()
        stream = PcmStream(receiver, *form)
        for start in range(0, len(data), size):
            await stream.feed(data[start : start + size])
        await stream.finish()
        return receiver.parts

    return asyncio.run(send())


@pytest.mark.parametrize("size", [1, 333, 10**6])
def test_a_stream_is_passed_on_in_bounded_parts(size: int) -> None:
    data = np.tile(WAVE, 20 if size > 1 else 1)
    parts = received(data.tobytes(), size)
    assert max(map(len, parts)) <= 1 << 15
    np.testing.assert_array_equal(np.concatenate(parts), data / np.float32(32768))
    assert len(np.concatenate(received(WAVE.tobytes(), 333, PcmForm(8000)))) == 2 * len(WAVE)


def mp3() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(16000), 16000, format="MP3")
    return file.getvalue()


TEXT = b'{"type": "stop", "payload": {"text": "a message in the place of samples"}}'


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"fLaC\0\0\0\x22" + bytes(100), "a recording in a container"),
        (mp3(), "MP3"),
        (TEXT * 40, "text"),
        (TEXT, "text"),  # whole, and shorter than the part that is looked at
    ],
)
@pytest.mark.parametrize("size", [7, 10**6])
def test_what_is_no_samples_is_refused(data: bytes, kind: str, size: int) -> None:
    with pytest.raises(AudioDecodeError) as caught:
        received(data, size)
    assert str(caught.value) == f"The stream is not PCM but {kind}. Announce its format, or decode it."


def test_a_text_is_recognised_in_64_bytes_at_the_end_of_a_stream_and_in_2048_before() -> None:
    text = TEXT * 40
    assert recording_in(text[:2047]) is None
    assert recording_in(text[:2048]) == "text"
    assert recording_in(text[:63], whole=True) is None
    assert recording_in(text[:64], whole=True) == "text"
    assert recording_in(HEADER) is None, "the header of samples"


def test_what_may_be_samples_is_not_refused() -> None:
    assert len(np.concatenate(received(TEXT * 40, 100, PcmForm(encoding="mulaw")))) == 40 * len(TEXT)
    assert len(np.concatenate(received(TEXT[:62], 100))) == 31  # too little to be judged
    # Only the start is looked at.
    data = WAVE.tobytes() + TEXT * 40
    assert len(np.concatenate(received(data, 100))) == len(data) // 2
    # Nor is a stream refused at once that starts with a line of text, nor one that starts like an MPEG frame.
    for start in (TEXT, np.array([-1, 64], "<i2").tobytes()):
        data = start + WAVE.tobytes()
        assert len(np.concatenate(received(data, len(start)))) == len(data) // 2
