"""The costs of cues; the unit is the cost of one more cue. docs/subtitles.md explains them."""

#: each cue: few cues before many
CUE = 1.0
#: each line beyond the first
LINE = 0.3
#: a break between lines costs this share of a break between cues
LINE_BREAK = 0.35
#: squared distance of a line from the cue's mean line, as a share of the line width
RAGGED = 8.0
#: a line longer than the one below it, as a share of the line width
TOP_HEAVY = 1.0
#: a second by which the cue is too short to be read at `max_cps`
TOO_FAST = 3.0
#: a cue that cannot reach `min_cue`, by the share that is missing
TOO_SHORT = 10.0
#: a sentence that ends inside a cue which then ends with a sentence, or which breaks off in the next one
WHOLE_SENTENCE_INSIDE = 0.4
TORN_SENTENCE_INSIDE = 2.0
#: a clause that ends inside a cue which then breaks off in the next one
TORN_CLAUSE_INSIDE = 0.8
#: two speakers in one cue
DIALOGUE = 0.8

#: ms: a break in a pause of this length costs half of what it would without
PAUSE_HALVES = 300
#: ms: shorter pauses inside a cue cost nothing, longer ones `PAUSE_INSIDE` a second
PAUSE_FREE = 400
PAUSE_INSIDE = 2.0
#: ms: a pause of this length always ends the cue
PAUSE_BREAKS = 1500


def break_price(price: float, pause: int) -> float:
    """The cost of a break between two words, lower at a pause (`pause`: milliseconds)."""
    return price * PAUSE_HALVES / (PAUSE_HALVES + max(0, pause))


def pause_price(pause: int) -> float:
    """The cost of a pause (milliseconds) inside a cue, whose later text is displayed before it is spoken."""
    return max(0, pause - PAUSE_FREE) / 1000 * PAUSE_INSIDE


def time_price(cells: int, available: int, min_cue: int, max_cps: float) -> float:
    """The cost of a cue that can be displayed for `available` milliseconds only."""
    price = TOO_FAST * max(0.0, cells / max_cps - available / 1000)
    if available < min_cue:
        price += TOO_SHORT * (min_cue - available) / min_cue
    return price
