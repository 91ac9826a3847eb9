"""A given text on the times of a recording: matched with what is recognised, the rest interpolated."""
