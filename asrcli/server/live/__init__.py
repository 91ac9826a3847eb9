"""Recognition of speech as it is spoken: endpointing, partial results, final sentences."""
