"""Several audio tracks of one file, decoded side by side: each is a channel."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from asrcli.audio.stream import ClosableStream
from asrcli.audio.types import AudioStream, Samples


class TrackStreams(ClosableStream):
    """An `AudioStream` whose channels are those of streams that start at the same time."""

    def __init__(self, streams: Mapping[int, AudioStream], notices: Sequence[str] = ()) -> None:
        """`streams` by their track's number, at least one, each with one channel; `notices` are reported, too."""
        super().__init__()
        self._streams = dict(streams)
        first = next(iter(self._streams.values()))
        durations = [stream.info.duration for stream in self._streams.values()]
        known = [duration for duration in durations if duration is not None]
        self.info = replace(first.info, duration=max(known) if len(known) == len(durations) else None)
        self.channels, self.offset = len(self._streams), first.offset
        self.warnings = list(notices)

    def blocks(self) -> Iterator[Samples]:
        """See `AudioStream.blocks`; a track that ends early is silent from there on."""
        sources = [stream.blocks() for stream in self._streams.values()]
        held: list[Samples | None] = [np.empty((0, 1), np.float32) for _ in sources]
        while True:
            for index, source in enumerate(sources):
                block = held[index]
                if block is not None and not len(block):
                    held[index] = next(source, None)
            there = [block for block in held if block is not None]
            if not there:
                break
            length = min(map(len, there))
            out = np.zeros((length, self.channels), np.float32)
            for index, block in enumerate(held):
                if block is not None:
                    out[:, index], held[index] = block[:length, 0], block[length:]
            yield out
        for number, stream in self._streams.items():
            self.warnings += [f"{warning} (audio track {number})" for warning in stream.warnings]

    def close(self) -> None:
        for stream in self._streams.values():
            stream.__exit__(None, None, None)
        super().close()
