"""A Word document to edit, by python-docx (extra `docx`): a heading for each speaker turn, a time a paragraph."""

from __future__ import annotations

import io
from itertools import groupby
from pathlib import PurePath
from typing import TYPE_CHECKING
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from asrcli.formats.clock import short_clock
from asrcli.formats.md import facts_of, paragraphs, spaced_words, speaker_turns
from asrcli.options import CueOptions
from asrcli.text.subtitles.pieces import clean
from asrcli.transcript import Segment, Transcript

if TYPE_CHECKING:
    from docx.document import Document


def render(transcript: Transcript, options: CueOptions) -> bytes:  # noqa: ARG001 - every writer has this signature
    from docx import Document

    document = Document()
    name = clean(PurePath(transcript.source).name or transcript.source)
    properties = document.core_properties
    properties.title, properties.author, properties.comments = name[:255], "", ""
    properties.language = transcript.language or ""
    document.add_heading(name, 0)
    document.add_paragraph(clean(facts_of(transcript)))
    for warning in transcript.warnings:
        document.add_paragraph(clean(warning), "Intense Quote")
    for speaker, segments in speaker_turns(transcript):
        if speaker:
            document.add_heading(f"{clean(speaker)} · {short_clock(segments[0].start)}", 2)
        for paragraph in paragraphs(segments):
            _add_paragraph(document, paragraph)
    return _packed(document)


def _add_paragraph(document: Document, segments: list[Segment]) -> None:
    from docx.enum.text import WD_COLOR_INDEX
    from docx.shared import RGBColor

    paragraph = document.add_paragraph()
    time = paragraph.add_run(f"{short_clock(segments[0].start)}\t")
    time.font.color.rgb = RGBColor(0x70, 0x70, 0x70)
    for sure, words in groupby(spaced_words(segments), lambda piece: piece[2]):
        text = "".join(text for text, _, _ in words)
        if not sure and text.startswith(" "):
            paragraph.add_run(" ")
            text = text.removeprefix(" ")
        run = paragraph.add_run(text)
        if not sure:
            run.font.highlight_color = WD_COLOR_INDEX.YELLOW


def _packed(document: Document) -> bytes:
    """The document's file, without the time at which it was made: equal transcripts give equal files."""
    written, data = io.BytesIO(), io.BytesIO()
    document.save(written)
    with ZipFile(written) as source, ZipFile(data, "w", ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(ZipInfo(name), source.read(name), ZIP_DEFLATED)
    return data.getvalue()
