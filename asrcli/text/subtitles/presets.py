"""Named cue rules for `--subtitle-style`; each option given on its own goes before its preset's value."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from asrcli.options import CueOptions

#: netflix: Timed Text Style Guide, general requirements and timing (42 characters, 2 lines, 5/6 to 7 s, 2 frames);
#: bbc: Subtitle Guidelines (37 characters, 160 to 180 words a minute, about 15 to 17 characters a second);
#: youtube: the 32 columns of its caption window (CEA-608), 6 s; short: one line of a few words, for upright video.
PRESETS: Mapping[str, CueOptions] = MappingProxyType(
    {
        "netflix": CueOptions(max_line_width=42, min_cue=0.833, max_cue=7.0, max_cps=20.0, cue_gap=2),
        "bbc": CueOptions(max_line_width=37, min_cue=1.0, max_cue=7.0, max_cps=17.0, cue_gap=1),
        "youtube": CueOptions(max_line_width=32, min_cue=0.7, max_cue=6.0, max_cps=21.0, cue_gap=1),
        "short": CueOptions(
            max_line_width=20,
            max_line_width_cjk=9,
            max_lines=1,
            max_words=4,
            min_cue=0.3,
            max_cue=2.5,
            max_cps=30.0,
            cue_gap=0,
            dialogue=False,
        ),
    }
)
