"""Facts read from ffmpeg's stderr: the form of the recording, and errors in plain words."""

import re
from collections import Counter, deque
from dataclasses import dataclass

from asrcli.audio.files import ENCRYPTED, ENCRYPTED_HINT
from asrcli.audio.types import AudioInfo
from asrcli.errors import AsrcliError, AudioDecodeError, EmptyInputError, InputChangedError, InputUnreadableError

_LINE = re.compile(r"^(?:\[([^\]]*) @ [^\]]*\] )*\[(\w+)\] (.*)$")
_INPUT = re.compile(r"^Input #0, (.+), from ")
_DURATION = re.compile(r"^ {2}Duration: (?:(\d+):(\d\d):(\d\d(?:\.\d+)?)|N/A)(?:, start: (-?[\d.]+))?")
_STREAM = re.compile(r"^ {2}Stream #0:(\d+)(?:\[\w+\])?(?:\((.*?)\))?: (Audio|Video|Subtitle): (\w+)(.*)$")
#: what the language of a track does not hold, as in "pt-BR"; files may hold anything there
_ODD = re.compile(r"[^\w-]+")
_LONGEST_LANGUAGE = 35
_CHOSEN = re.compile(r"^ {2}Stream #0:(\d+)(?::\d+)? -> #0:0")
_RATE = re.compile(r", (\d+) Hz, ([^,]+)")
_LAYOUTS = {"mono": 1, "stereo": 2, "downmix": 2, "quad": 4, "hexagonal": 6, "octagonal": 8, "cube": 8}

#: messages that prove that the file ends before it should
_CUT = re.compile(r"partial file|ended prematurely|[Tt]runcat|Packet corrupt|Read error")
_GUESSED = re.compile(r"Estimating duration from bitrate")
#: messages about the sound that is read: packets of it are incomplete
_CORRUPT = re.compile(r"corrupt input packet in stream")
#: of an MPEG audio frame; encoders leave the checksum out of the frame with their tag
_UNCHECKED = re.compile(r"^CRC mismatch [0-9A-F]+!$")
_UNREAD = "another audio track starts within the recording and was not read; convert or split the recording"
#: a path before a message: the caller names the file, and a server must not show where it keeps uploads
_PATH = re.compile(r"^(?:(?:subfile,.*)?file:.*|pipe:0): (?=[^:]*$)")
#: reports that a stage failed, not why
_ECHO = re.compile(
    r"^(Error opening input|Error (submitting|while)|Task finished|Conversion failed|Error opening output)"
)

#: NMS ADPCM, whose number in WAV and AVI ffmpeg takes for AMR: the decoder makes noise of it
_NMS_ADPCM = "/ 0x0038)"
NMS_ADPCM = "nms_adpcm"

#: demuxers whose duration counts from 0, not from the first sample
_FROM_ZERO = {"matroska,webm", "mov,mp4,m4a,3gp,3g2,mj2", "asf", "nut"}
#: demuxers without timestamps for which ffmpeg's guesses go wrong where the sample rate changes
_UNTIMED = {"aac", "loas", "mp3"}

_AGAIN = "Export or download the recording again."
#: (message, error, sentence, hint), the first that matches counts
_FAILURES: tuple[tuple[str, type[AsrcliError], str, str], ...] = (
    (
        r"moov atom not found",
        AudioDecodeError,
        "The file is cut off: the index at its end (moov) is missing.",
        "Copy or download it whole; what a recorder left without power, a program such as untrunc may repair.",
    ),
    (r"DRM|activation_bytes|[Ee]ncrypt(ed|ion)", AudioDecodeError, ENCRYPTED, ENCRYPTED_HINT),
    (r"not on whitelist", AudioDecodeError, "The file is not a recording in a known format.", _AGAIN),
    (
        r"does not contain any stream|Output file .*no stream",
        EmptyInputError,
        "The file has no audio track.",
        "Nothing to transcribe; check that the recording was made with sound.",
    ),
    (
        r"[Dd]ecoder .*not found|no decoder|Decoding requested, but|Unknown/unsupported|[Uu]nsupported codec",
        AudioDecodeError,
        "This ffmpeg has no decoder for the audio in the file.",
        "Install a full build of ffmpeg, or convert the file to wav or flac elsewhere.",
    ),
    (
        r"No such file or directory",
        InputChangedError,
        "The file vanished before it was read.",
        "Run again when it is back in its place.",
    ),
    (r"Permission denied", InputUnreadableError, "The file may not be read.", "Give yourself read access: chmod u+r."),
)


@dataclass(frozen=True, slots=True)
class Track:
    """One audio track as ffmpeg's banner describes it; 0 where it does not say."""

    index: int
    codec: str
    rate: int
    channels: int
    #: ISO 639-2 code, a tag such as pt-BR, or ""
    language: str = ""
    #: ffmpeg's name of the channels' positions, which it guesses where the container has none
    layout: str = ""
    #: the container marks it as the one to play
    default: bool = False

    @property
    def name(self) -> str:
        """For people: "eng, aac, stereo"."""
        count = {0: "", 1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        return ", ".join(part for part in (self.language, self.codec, count) if part)


class FfmpegLog:
    """Takes ffmpeg's lines one by one (`-loglevel level+info`) and keeps what matters, in bounded space."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        #: languages of the subtitle tracks, as those of `Track`
        self.subtitles: list[str] = []
        self.duration: float | None = None
        #: the file ends before it should
        self.cut = False
        #: another audio track starts within the recording
        self.later = False
        #: the container's first timestamp, seconds
        self.start: float | None = None
        #: ffmpeg's name of the demuxer
        self.container = ""
        self.has_video = False
        self._guessed = False
        self._chosen: int | None = None
        self._described = False
        #: the part of ffmpeg that wrote each message, and the message
        self._messages: deque[tuple[str, str]] = deque(maxlen=40)
        #: errors of each part, and the codecs of pictures
        self._errors: Counter[str] = Counter()
        self._pictures: set[str] = set()

    def feed(self, line: str) -> bool:
        """Take a line. True once the recording's form is complete, as the output begins."""
        match = _LINE.match(line)
        if match is None:
            return False
        part, level, text = match.groups()
        if level in {"error", "fatal", "panic", "warning"}:
            self._trouble(part or "", level, text)
            return False
        self._described = self._described or text.startswith("Output #0")
        if not self._described:  # what follows looks alike, and describes the output
            self._form(text)
        return self._described

    def info(self) -> AudioInfo:
        """The chosen track's form."""
        track = next((one for one in self.tracks if one.index == self._chosen), None)
        track = track or (self.tracks[0] if self.tracks else Track(0, "unknown", 0, 0))
        container = "mp4" if "mp4" in self.container else self.container.split(",")[0]
        name = f"{container}/{track.codec}"
        return AudioInfo(self.duration, track.rate, track.channels, name, len(self.tracks))

    @property
    def timed(self) -> bool:
        """Whether frames have timestamps that hold."""
        return self.container not in _UNTIMED

    @property
    def counted(self) -> bool:
        """Whether timestamps are counts of packets."""
        return self.container == "avi"

    @property
    def claimed(self) -> float | None:
        """Seconds of sound that should come, where that is certain.

        A film may go on after its sound, and some durations are guesses from the bit rate: those prove nothing, unless
        ffmpeg saw the file end within a packet.
        """
        others = self.has_video or len(self.tracks) > 1
        return self.duration if self.cut or not (others or self._guessed) else None

    @property
    def errors(self) -> int:
        """Errors that may concern the sound: a broadcast that is recorded starts within a picture."""
        return sum(count for part, count in self._errors.items() if part not in self._pictures)

    def missed(self) -> list[str]:
        """A warning about tracks that were not announced when the one to read was chosen."""
        return [f"tracks: {_UNREAD}"] if self.later else []

    def failure(self) -> AsrcliError:
        """Why nothing came out."""
        for pattern, kind, sentence, hint in _FAILURES:
            if any(re.search(pattern, message) for _, message in self._messages):
                return kind(sentence, hint)
        return AudioDecodeError(f"The file cannot be decoded: {self.reason()}.", _AGAIN)

    def reason(self) -> str:
        """The most telling message of ffmpeg, for the end of a sentence."""
        messages = [message for part, message in self._messages if part not in self._pictures]
        telling = [message for message in messages if not _ECHO.match(message)]
        message = next(iter([*telling, *messages]), "ffmpeg gives no reason")
        message = _PATH.sub("", message)
        return message.strip().rstrip(".")

    def _trouble(self, part: str, level: str, text: str) -> None:
        self._guessed = self._guessed or bool(_GUESSED.search(text))
        self.cut = self.cut or bool(_CUT.search(text))
        self.later = self.later or text.startswith("New audio stream")
        if (level != "warning" or _CORRUPT.search(text)) and not _UNCHECKED.match(text):
            self._errors[part] += 1
            self._messages.append((part, text))

    def _form(self, text: str) -> None:
        if found := _INPUT.match(text):
            self.container = found[1]
        elif found := _DURATION.match(text):
            hours, minutes, seconds, start = found.groups()
            self.start = float(start) if start else None
            if hours:
                self.duration = int(hours) * 3600 + int(minutes) * 60 + float(seconds)
            if self.duration and self.container in _FROM_ZERO and 0 < float(start or 0) < self.duration:
                self.duration -= float(start)
        elif found := _CHOSEN.match(text):
            self._chosen = int(found[1])
        elif found := _STREAM.match(text):
            index, language, kind, codec, rest = found.groups()
            if kind == "Audio":
                self.tracks.append(_track(int(index), language or "", codec, rest))
            elif kind == "Subtitle":
                self.subtitles.append(_known(language or ""))
            else:
                self._pictures.add(codec)
                self.has_video = self.has_video or "attached pic" not in rest


def _track(index: int, language: str, codec: str, rest: str) -> Track:
    found = _RATE.search(rest)
    rate, layout = (int(found[1]), found[2]) if found else (0, "")
    codec = NMS_ADPCM if codec == "amr_nb" and _NMS_ADPCM in rest else codec
    return Track(index, codec, rate, _channels(layout), _known(language), layout, default="(default)" in rest)


def _known(language: str) -> str:
    shown = _ODD.sub(" ", language).strip()[:_LONGEST_LANGUAGE]
    return "" if shown == "und" else shown


def _channels(layout: str) -> int:
    name = layout.split("(", maxsplit=1)[0].strip()
    if name in _LAYOUTS:
        return _LAYOUTS[name]
    if counted := re.match(r"(\d+) channels", name):
        return int(counted[1])
    parts = name.split(".")  # 5.1, 7.1.4: as many channels as the sum
    return sum(int(part) for part in parts) if all(part.isdigit() for part in parts) else 0
