"""The audio tracks of a container: which one is read, and what is reported of the others."""

import subprocess
from dataclasses import replace
from pathlib import Path

from asrcli.audio.ffmpeg.log import FfmpegLog
from asrcli.audio.ffmpeg.process import Attempt, file_url, find_ffmpeg
from asrcli.errors import AudioDecodeError, InputError, UsageError
from asrcli.language_codes import language_code
from asrcli.options import AudioOptions

#: containers that announce their tracks in the midst of the stream
_UNANNOUNCED = ("mpegts", "mpeg")
#: the container with edit lists
_EDITED = "mov,mp4,m4a,3gp,3g2,mj2"

#: seconds for a file's header
_TIMEOUT = 60.0


def track_languages(path: Path) -> tuple[list[str | None], list[str | None]]:
    """The languages of a file's audio tracks and of its subtitle tracks, None where the file has none; two empty lists
    for what ffmpeg cannot read. Raises FfmpegMissingError: there is no ffmpeg; AudioDecodeError: it hangs.
    """
    command = [find_ffmpeg(), "-hide_banner", "-nostdin", "-loglevel", "level+info", "-i", file_url(path)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise AudioDecodeError("ffmpeg did not finish reading the file's header.", "Check the disk.") from None
    log = FfmpegLog()
    for line in done.stderr.decode("utf-8", "replace").splitlines():
        log.feed(line)
    return [_code(track.language) for track in log.tracks], [_code(language) for language in log.subtitles]


class TrackChoice:
    """Decides from what each attempt has shown which track to read."""

    def __init__(self, options: AudioOptions, seek: float = 0.0, *, live: bool = False) -> None:
        self._wanted = options.track
        self._failed: list[int] = []
        number = self._wanted if isinstance(self._wanted, int) else 0
        self.attempt = Attempt(track=number, seek=seek, live=live)

    def again(self, log: FfmpegLog, *, decoded: bool, empty: bool = False) -> bool:
        """Whether another attempt is better than the one whose log this is; `attempt` is that one then. `empty`:
        without an error nothing came out.
        """
        here, candidates = self.attempt.track, self._candidates(log)
        if empty and log.container == _EDITED and not (self.attempt.unedited or self.attempt.seek):
            self.attempt = replace(self.attempt, unedited=True)
            return True
        blank = here >= len(log.tracks) or not log.tracks[here].rate or not candidates
        if blank and not self.attempt.deep and log.container in _UNANNOUNCED:
            self.attempt = replace(self.attempt, deep=True)
            return True
        if not decoded and here < len(log.tracks):
            self._failed.append(here)
        best = next((number for number in candidates if number not in self._failed), here)
        self.attempt = replace(self.attempt, track=best)
        return best != here

    def check(self, log: FfmpegLog) -> None:
        """Raises InputError: no track has the language that was asked for."""
        if log.tracks and not self._candidates(log):
            raise InputError(
                f"No audio track is marked as '{self._wanted}'. The tracks are: {_names(log)}.",
                "Choose one by its number: --audio-track 0.",
            )

    def notices(self, log: FfmpegLog) -> list[str]:
        """Warnings about an edit list that was ignored, and about the other tracks."""
        ignored = "header: the edit list of the file leaves no sound; all that is there was read"
        notices = [ignored] if self.attempt.unedited else []
        if len(log.tracks) < 2 or isinstance(self._wanted, int):
            return notices
        here = self.attempt.track
        if self._wanted is None:
            there = f"the tracks are {_names(log)}: see --audio-track"
            notices.append(f"tracks: audio track {here} of {len(log.tracks)} was read; {there}")
        if self._failed:
            failed = ", ".join(f"{number} ({log.tracks[number].name})" for number in self._failed)
            notices.append(f"tracks: ffmpeg cannot decode audio track {failed}")
        return notices

    def _candidates(self, log: FfmpegLog) -> list[int]:
        """Numbers of the tracks that may be read, the best one first."""
        if isinstance(self._wanted, int):
            return [self._wanted]
        order = sorted(range(len(log.tracks)), key=lambda number: not log.tracks[number].default)
        if self._wanted is None:
            return order
        return [number for number in order if _code(log.tracks[number].language) == self._wanted]


def _names(log: FfmpegLog) -> str:
    return ", ".join(f"{number} ({track.name})" for number, track in enumerate(log.tracks))


def _code(language: str) -> str | None:
    if not language:
        return None
    try:
        return language_code(language)
    except UsageError:
        return language
