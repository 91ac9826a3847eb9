"""How many people may speak at once: real-time 2pass streams against a running `asrcli serve`.

    asrcli serve --port 8000 &
    python -m benchmarks streams --url ws://127.0.0.1:8000 --streams 20 --audio reading.wav

Every stream speaks the recording in real time, each from another place in it, in frames of 60 ms. FunASR's clients
append partial results, so they are reported what will not be taken back; Aliyun's show all that is recognised so far.

- final latency: from the end of a sentence (the end of its last word, as the server gives it) to its final text. The
  pause by which an end is recognised, 0.8 s unless --silence reports otherwise, is part of it.
- first partial: from the onset of a sentence to the first words of it.
- lost: words that a stream alone, not in real time, is answered and that are missing here, per hundred; changed: words
  that differ in any way (WER). Both are means over the streams that are checked.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import soundfile
import websockets

from asrcli.audio.resample import Resampler

RATE = 16000
FRAME = 960


@dataclass
class Heard:
    """What a stream was answered. Latencies in seconds."""

    finals: list[float] = field(default_factory=list)
    firsts: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)


class Stream:
    """One speaker."""

    def __init__(self, url: str, audio: np.ndarray, silence: float) -> None:
        self._url = url
        self._data = (audio * 32767).astype("<i2").tobytes()
        self._silence = silence
        self._begun = 0.0
        self._first: float | None = None
        self.heard = Heard()

    async def run(self) -> Heard:
        async with websockets.connect(self._url, ping_interval=None, max_size=None) as socket:
            await socket.send(json.dumps(self.opening(self._silence)))
            self._begun = time.monotonic()
            speaking = asyncio.create_task(self._speak(socket))
            async for frame in socket:
                message = json.loads(frame)
                self.note(message, time.monotonic() - self._begun)
                if self.is_last(message):
                    break
            await speaking
        return self.heard

    async def alone(self) -> Heard:
        """What the recording is answered when no one else speaks, as fast as it goes."""
        async with websockets.connect(self._url, ping_interval=None, max_size=None) as socket:
            await socket.send(json.dumps(self.opening(0.8)))
            await socket.send(self._data)
            await socket.send(json.dumps(self.closing()))
            async for frame in socket:
                message = json.loads(frame)
                self.note(message, 0.0)
                if self.is_last(message):
                    break
        return self.heard

    async def _speak(self, socket: websockets.ClientConnection) -> None:
        for at in range(0, len(self._data), 2 * FRAME):
            # A frame can be sent once its last sample has been spoken.
            due = self._begun + (at / 2 + FRAME) / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await socket.send(self._data[at : at + 2 * FRAME])
        await socket.send(json.dumps(self.closing()))

    def opening(self, silence: float) -> dict[str, Any]:
        return {"mode": "2pass", "chunk_size": [5, 10, 5], "wav_name": "bench", "wav_format": "pcm", "audio_fs": RATE,
                "is_speaking": True, "vad_tail_sil": round(silence * 1000)}  # fmt: skip

    def closing(self) -> dict[str, Any]:
        return {"is_speaking": False}

    def is_last(self, message: dict[str, Any]) -> bool:
        return bool(message["is_final"])

    def note(self, message: dict[str, Any], now: float) -> None:
        if message["mode"] == "2pass-online":
            self._first = self._first if self._first is not None else now
        elif "timestamp" in message:
            stamps = json.loads(message["timestamp"])
            self.heard.texts.append(message["text"])
            self.heard.finals.append(now - stamps[-1][1] / 1000)
            # A sentence without partial results shows its first words when it is final.
            self.heard.firsts.append((now if self._first is None else self._first) - stamps[0][0] / 1000)
            self._first = None


class AliyunStream(Stream):
    """One speaker whose client shows the whole sentence so far, what may still change as well."""

    def opening(self, silence: float) -> dict[str, Any]:
        payload = {"format": "pcm", "sample_rate": RATE, "enable_words": True,
                   "max_sentence_silence": round(silence * 1000)}  # fmt: skip
        return {"header": self._header("StartTranscription"), "payload": payload}

    def closing(self) -> dict[str, Any]:
        return {"header": self._header("StopTranscription")}

    def _header(self, name: str) -> dict[str, Any]:
        return {"namespace": "SpeechTranscriber", "name": name, "task_id": "0" * 32}

    def is_last(self, message: dict[str, Any]) -> bool:
        return message["header"]["name"] in {"TranscriptionCompleted", "TaskFailed"}

    def note(self, message: dict[str, Any], now: float) -> None:
        payload = message.get("payload", {})
        match message["header"]["name"]:
            case "TranscriptionResultChanged":
                self._first = self._first if self._first is not None else now
            case "SentenceEnd" if payload["words"]:
                self.heard.texts.append(payload["result"])
                self.heard.finals.append(now - payload["words"][-1]["endTime"] / 1000)
                started = payload["words"][0]["startTime"] / 1000
                self.heard.firsts.append((now if self._first is None else self._first) - started)
                self._first = None


PROTOCOLS = {"funasr": (Stream, "/"), "aliyun": (AliyunStream, "/ws/v1/asr")}


def plain(texts: list[str]) -> str:
    return " ".join("".join(c for c in word if c.isalnum()).lower() for word in " ".join(texts).split())


def shifted(audio: np.ndarray, part: float, seconds: float) -> np.ndarray:
    """The recording from another place on, in a ring; it begins in its own pauses as well as ours allow."""
    whole = np.tile(audio, int(np.ceil(seconds * RATE / len(audio))) + 1)
    start = round(part * len(audio))
    return whole[start : start + round(seconds * RATE)]


async def measure(
    url: str, audio: np.ndarray, streams: int, *, protocol: str, seconds: float, silence: float, check: int
) -> dict[str, float]:
    """All streams at once; some of them also alone."""
    kind, path = PROTOCOLS[protocol]
    url = url.rstrip("/") + path
    parts = [shifted(audio, number / streams, seconds) for number in range(streams)]

    async def late(number: int) -> Heard:
        # People do not begin in the same moment.
        await asyncio.sleep(number / streams * 3)
        return await kind(url, parts[number], silence).run()

    heard = await asyncio.gather(*(late(number) for number in range(streams)))
    finals = sorted(latency for each in heard for latency in each.finals)
    firsts = sorted(latency for each in heard for latency in each.firsts)
    lost, changed = [], []
    for number in np.linspace(0, streams - 1, min(check, streams)).astype(int):
        reference = plain((await kind(url, parts[number], silence).alone()).texts)
        compared = jiwer.process_words(reference, plain(heard[number].texts))
        lost.append(compared.deletions / len(reference.split()))
        changed.append(compared.wer)
    return {
        "streams": streams,
        "sentences": len(finals),
        "final_p50": statistics.median(finals),
        "final_p95": finals[int(0.95 * (len(finals) - 1))],
        "final_max": finals[-1],
        "first_p50": statistics.median(firsts),
        "first_p95": firsts[int(0.95 * (len(firsts) - 1))],
        "lost": 100 * statistics.mean(lost or [0]),
        "changed": 100 * statistics.mean(changed or [0]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="ws://127.0.0.1:8000")
    parser.add_argument("--protocol", choices=PROTOCOLS, default="funasr")
    parser.add_argument("--audio", type=Path, required=True)
    parser.add_argument("--streams", type=int, nargs="+", default=[20])
    parser.add_argument("--seconds", type=float, default=45)
    parser.add_argument("--silence", type=float, default=0.8)
    parser.add_argument("--check", type=int, default=4, help="streams compared with what they are answered alone")
    asked = parser.parse_args()
    samples, rate = soundfile.read(asked.audio, dtype="float32", always_2d=True)
    resampler = Resampler(rate, 1)
    audio = np.concatenate([resampler.push(samples.mean(axis=1, keepdims=True)), resampler.finish()])[:, 0]
    for streams in asked.streams:
        how = {"protocol": asked.protocol, "seconds": asked.seconds, "silence": asked.silence, "check": asked.check}
        result = asyncio.run(measure(asked.url, audio, streams, **how))
        print(json.dumps({key: round(value, 2) for key, value in result.items()}), flush=True)


if __name__ == "__main__":
    main()
