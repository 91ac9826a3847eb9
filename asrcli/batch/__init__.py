"""Many inputs: plan, outputs, journal, workers, events."""

#: the journal's name where `--journal` gives none: hidden, in the folder of the outputs
JOURNAL_NAME = ".asrcli-journal.jsonl"
