"""Live recognition: endpointing, partial results, final sentences."""
