"""Sizes of a Moonshine: what its graphs and the search have in common."""

from dataclasses import dataclass
from typing import Any, NamedTuple

#: of the three convolutions; their product, 384, is the number of samples in a frame
STRIDES = (64, 3, 2)
#: tokens before and behind a text
START, END = 1, 2
#: between uint8 and int8
HALF = 128


class Head(NamedTuple):
    """A head of the attention to the sound that follows the speech, and how many frames it is behind its onset."""

    layer: int
    number: int
    late: int


#: (layers, heads, width of a head) -> heads that follow the speech. Of those whose most attended frame for the first
#: token behind a pause was near the end of the pause (58 such onsets of read speech for tiny-en, 62 for base-en), three
#: that are together nearest; the lateness is the median of each.
_FOLLOWING = {
    (6, 8, 36): (Head(3, 5, 2), Head(3, 6, -1), Head(5, 6, 0)),
    (8, 8, 52): (Head(4, 2, 0), Head(5, 5, 0), Head(6, 4, 2)),
}


@dataclass(frozen=True, slots=True)
class Geometry:
    """Sizes of one model's decoder."""

    layers: int
    heads: int
    head: int

    @property
    def width(self) -> int:
        """Of a frame's and a token's representation."""
        return self.heads * self.head

    @property
    def following(self) -> tuple[Head, ...]:
        """Heads that follow the speech; none for a model of other sizes."""
        return _FOLLOWING.get((self.layers, self.heads, self.head), ())

    def caches(self, what: str) -> dict[str, tuple[str | int, ...]]:
        """Names and shapes of keys and values of the tokens in order: `what` is "past" or "present"."""
        names = [f"{what}.{layer}.{part}" for layer in range(self.layers) for part in ("key", "value")]
        return dict.fromkeys(names, ("batch", self.heads, what, self.head))


def read_geometry(decoder: Any) -> Geometry:
    """The sizes of a loaded decoder, off the shapes of its caches."""
    shapes = {port.name: port.shape for port in decoder.get_inputs() if port.name.startswith("past.")}
    _, heads, _, head = shapes["past.0.key"]
    return Geometry(len(shapes) // 2, heads, head)
