"""`--on-done`: a command that is run on each finished recording."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from asrcli.batch.inputs.paths import printable
from asrcli.batch.recording import Item
from asrcli.batch.stop_signal import DroppedError
from asrcli.errors import OnDoneError
from asrcli.storage.places import uri_of

_POLL = 0.1
#: seconds that the command has to end when the watch ends
_GRACE = 2.0
_STDERR = 2


@dataclass(frozen=True, slots=True)
class OnDone:
    """A command without a shell: the absolute paths of the recording and of its outputs, or URIs, follow its words."""

    command: tuple[str, ...]

    def __call__(self, item: Item, stopped: Callable[[], bool]) -> None:
        """Run it. Raises OnDoneError: it failed; DroppedError: `stopped` before its end."""
        assert item.source.path is not None
        paths = [uri_of(os.path.abspath(path)) for path in (item.source.path, *item.outputs.values())]
        try:
            # What it prints goes to stderr, as every message does.
            process = subprocess.Popen([*self.command, *paths], stdin=subprocess.DEVNULL, stdout=_STDERR)
        except OSError as error:
            raise self._error(item, f"cannot be started: {error.strerror}") from error
        while True:
            try:
                status = process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if stopped():
                    _end(process)
                    raise DroppedError from None
            else:
                break
        if stopped() and status:
            raise DroppedError  # the signal that ends the watch has ended the command, too
        if status:
            raise self._error(item, f"exit status {status}" if status > 0 else f"ended by signal {-status}")

    def _error(self, item: Item, how: str) -> OnDoneError:
        name = printable(item.source.name)
        return OnDoneError(f"{name}: --on-done: {self.command[0]}: {how}.", "Its outputs are written all the same.")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
