"""A page to read, hear and print: one HTML file without a server. Its style and script are in `transcript.html`.

The page plays the recording that lies beside it, or one that the reader chooses. A word has its times as attributes.
Its content security policy allows that recording and its own script, nothing else, whatever the transcript contains.
"""

import re
from base64 import b64encode
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import PurePath
from urllib.parse import quote

from asrcli.formats.clock import fixed, short_clock
from asrcli.formats.md import facts_of, paragraphs, spaced_words, speaker_turns
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Segment, Transcript

#: colours of speakers in the page's style; further speakers use them again
_COLOURS = 8
#: surrogates that do not represent a byte of a file name
_NOT_A_BYTE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    name = PurePath(transcript.source).name or transcript.source
    speakers = list(dict.fromkeys(segment.speaker for segment in transcript.segments if segment.speaker))
    body = [f'<p class="warning">{escape(clean(warning))}</p>\n' for warning in transcript.warnings]
    for speaker, segments in speaker_turns(transcript):
        colour = speakers.index(speaker) % _COLOURS if speaker else -1
        body.append(f'<section class="voice{colour}">\n' if speaker else "<section>\n")
        if speaker:
            body.append(f"<h2>{escape(clean(speaker))}</h2>\n")
        body += [_paragraph(paragraph) for paragraph in paragraphs(segments)]
        body.append("</section>\n")
    page = files("asrcli.formats").joinpath("transcript.html").read_text(encoding="utf-8")
    fields = {
        "LANGUAGE": escape(transcript.language or ""),
        "NAME": escape(clean(name)),
        "SCRIPT": _digest(page),
        "FACTS": escape(clean(facts_of(transcript))),
        "AUDIO": quote(_NOT_A_BYTE.sub("?", name), errors="surrogateescape"),
        "BODY": "".join(body),
    }
    head, *rest = page.split("{{")
    parts = (part.partition("}}") for part in rest)
    return head + "".join(fields[field] + text for field, _, text in parts)


def in_charset(page: str, encoding: str) -> str:
    """The page as it declares that encoding; a byte order mark declares itself."""
    return page.replace('<meta charset="utf-8">', f'<meta charset="{encoding}">', 1) if encoding == "gb18030" else page


def with_audio(page: str, address: str) -> str:
    """The page with its recording at another address, such as a `data:` URL."""
    head, tag, rest = page.partition('<audio id="audio" ')
    attributes, _, behind = rest.partition(' src="')
    _, quote_mark, after = behind.partition('"')
    policy = head.replace("media-src 'self'", "media-src data: 'self'", 1)
    return f'{policy}{tag}{attributes} src="{address}{quote_mark}{after}'


def _digest(page: str) -> str:
    """The hash by which the policy recognises the page's script."""
    script = page.partition("<script>")[2].partition("</script>")[0]
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


def _paragraph(segments: list[Segment]) -> str:
    out = []
    for text, word, sure in spaced_words(segments):
        mark = "" if sure else f' class="low" title="{word.confidence:.0%}"'
        times = f'data-start="{fixed(word.start)}" data-end="{fixed(word.end)}"'
        bare = text.removeprefix(" ")
        out.append(f"{' ' * (bare != text)}<span {times}{mark}>{escape(bare)}</span>")
    start = segments[0].start
    clock = f'<a class="time" data-start="{fixed(start)}">{short_clock(start)}</a>'
    return f'<p dir="auto">{clock} {"".join(out)}</p>\n'
