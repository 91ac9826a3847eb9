"""Many inputs: plan, outputs, journal, workers, events."""

from __future__ import annotations

from pathlib import Path

from asrcli.storage.places import is_stored

#: the journal's name where `--journal` gives none: hidden, in the folder of the outputs
JOURNAL_NAME = ".asrcli-journal.jsonl"


def journal_of(folder: Path) -> Path:
    """The journal of the outputs in a folder: in it, or, as nothing can be appended to an object, in a folder of the
    user, where it has a name of its own.
    """
    if not is_stored(folder):
        return folder / JOURNAL_NAME
    from hashlib import blake2b

    from asrcli.storage.user_folders import user_folder

    return user_folder("data") / "journals" / f"{blake2b(str(folder).encode(), digest_size=16).hexdigest()}.jsonl"
