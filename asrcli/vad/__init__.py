"""Speech probabilities, regions of speech, and the chunks that they are packed into."""

from asrcli.vad.segmenter import Segmenter
from asrcli.vad.types import Chunk, Region

__all__ = ["Chunk", "Region", "Segmenter"]
