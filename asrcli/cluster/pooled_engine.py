"""An engine of the pool, and how much work it takes."""

from dataclasses import dataclass
from typing import Any

#: files that an engine has at once, per decoding thread: short ones fill its batches
_FILES_PER_THREAD, _MOST_FILES = 9, 64
#: files beyond those that are read must be short: seconds of audio per decoding thread
_QUEUED_SECONDS = 300.0

#: node's id, number of the engine on it
Place = tuple[str, int]


@dataclass(eq=False, slots=True)
class PooledEngine:
    """An actor and what it has to do."""

    place: Place
    #: for messages
    host: str
    actor: Any
    jobs: int
    ready: bool = False
    lost: bool = False
    #: files in work, and their seconds of audio
    busy: int = 0
    load: float = 0.0

    @property
    def slots(self) -> int:
        return max(self.jobs + 1, min(_FILES_PER_THREAD * self.jobs + 1, _MOST_FILES))

    def takes(self, seconds: float) -> bool:
        """Whether it takes another file."""
        if not self.ready or self.busy >= self.slots:
            return False
        return self.busy <= self.jobs or self.load + seconds <= _QUEUED_SECONDS * self.jobs
