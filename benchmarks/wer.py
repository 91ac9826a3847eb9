"""Word errors of the whole program on recordings with references, default options.

    python -m benchmarks wer [--model MODEL] [--max-chunk SECONDS] [--worst 5]

The clips are the English ones of ../shared/data/speech; the rate is pooled (all errors over all words of all clips),
after Whisper's English normaliser. Also printed: the ten-minute corpus, where chunks are full.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import contestants as programs
from benchmarks.corpora import FOLDER, clips, make, references, shared


@dataclass(frozen=True)
class Errors:
    """Word errors, pooled."""

    substitutions: int
    deletions: int
    insertions: int
    words: int

    @property
    def count(self) -> int:
        """All of them."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Percent."""
        return 100 * self.count / self.words


def word_errors(wanted: Mapping[str, str], heard: Mapping[str, str]) -> Errors:
    """Pool the errors of recordings by name; one that was not heard counts as empty."""
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer()
    pairs = [(normalise(words), normalise(heard.get(name, ""))) for name, words in wanted.items()]
    result = jiwer.process_words([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    words = result.hits + result.substitutions + result.deletions
    return Errors(result.substitutions, result.deletions, result.insertions, words)


def main() -> None:
    """Print the rates, and the worst recordings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="of asrcli; without it, its default")
    parser.add_argument("--max-chunk", type=float, help="seconds; without it, the model's window")
    parser.add_argument("--worst", type=int, default=0, help="show so many recordings with the most errors")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    arguments = parser.parse_args()
    model = programs.named(arguments.model)
    extra = ["--max-chunk", str(arguments.max_chunk)] if arguments.max_chunk else []

    # A recording that is there twice, in two encodings, is read from two folders of results: names keep their endings.
    wanted = {clip.name: clip.words for clip in clips()}
    heard = {}
    for name in wanted:
        contestant = programs.asrcli(model, [shared() / "data" / "speech" / name], *extra)
        heard[name] = next(iter(contestant.read(contestant.start()).values()))
    _print("clips", word_errors(wanted, heard))
    path = make("ten_minutes", arguments.folder)
    contestant = programs.asrcli(model, [path], *extra)
    _print("ten minutes", word_errors(references(path), contestant.read(contestant.start())))
    by_clip = {name: word_errors({name: wanted[name]}, heard) for name in wanted}
    for name, errors in sorted(by_clip.items(), key=lambda item: -item[1].count)[: arguments.worst]:
        print(f"  {errors.count} of {errors.words}  {name}\n     wanted {wanted[name]}\n     heard  {heard[name]}")


def _print(name: str, errors: Errors) -> None:
    parts = f"{errors.substitutions} substituted, {errors.deletions} missing, {errors.insertions} too many"
    print(f"{name:12} WER {errors.rate:5.2f} %   {errors.count} of {errors.words} words ({parts})")


if __name__ == "__main__":
    main()
