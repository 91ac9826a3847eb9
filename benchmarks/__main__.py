"""The measurements behind the project's figures: `python -m benchmarks NAME [options]`.

Each prints a table, and with `--help` what it measures. They need a checkout, `pip install -e '.[test]'`, and what
their own help names besides.
"""

from __future__ import annotations

import sys
from importlib import import_module

#: name -> what it measures
NAMES = {
    "corpora": "makes the recordings that the others measure",
    "whisper": "CPU time, word errors and word times against faster-whisper's batched pipeline",
    "device": "FunASR's models at real size on a GPU, by batch (tools/device_check.sh)",
    "without_vnni": "another benchmark, with the code that processors without VNNI run",
    "versus": "wall and CPU time against other programs on the same weights",
    "policies": "what threads, lengths of chunks and batches cost, model by model",
    "peers": "speed against word errors: faster-whisper, whisper-ctranslate2, sherpa-onnx, moonshine-voice, ours",
    "scaling": "1 job, 2 jobs, the bare engine; the share of CPU that VAD takes",
    "memory": "memory of all processes over time, for short, long and many inputs",
    "million": "time and memory of the plan and the resume of a million inputs",
    "startup": "`--help`, a clip of one second, the first words of three hours",
    "wer": "word errors on the recordings with references, through the program",
    "reading": "CPU time of reading recordings, against that of an earlier commit",
    "levels": "word errors of quiet, offset, inverted and surround recordings",
    "chunks": "speed and word errors by the length of chunks, drawn",
    "make_dialogue": "the recordings in examples/",
    "make_models": "a model as large as SenseVoice with random weights, for `versus --model`",
    "server": "`asrcli serve`: uploads against the command line",
    "hostile": "`asrcli serve` under broken, huge, cut and hostile requests: leaks, and memory by connections",
    "cluster": "two one-core nodes of a Ray cluster against two jobs without one",
    "cluster_split": "words and speakers of two hours that two nodes divide, against one machine",
    "cluster_sim": "a simulation of batches on 2 to 10,000 engines, checked against two nodes",
    "health": "how soon `/health` answers while every worker is busy",
    "vad": "what voice activity detection costs",
    "word_times": "how far word times are off",
    "alignment": "how far the words of a given text are off, also of a wrong one",
    "diarization": "speed, memory and error rate of speakers in a long conversation",
    "streams": "how many live streams a server keeps up with",
    "watch": "recordings that arrive while `asrcli watch` is killed again and again: what is lost",
    "live_pipe": "how late the text of a pipe is, and its word errors against the file",
    "live_memory": "memory of all processes while a stream goes on for hours",
}


def main() -> None:
    """Run the measurement that the command line names."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name not in NAMES:
        print(__doc__)
        for known, what in NAMES.items():
            print(f"  {known:13} {what}")
        sys.exit(0 if name in {"-h", "--help"} else 2)
    sys.argv = [f"python -m benchmarks {name}", *sys.argv[2:]]
    import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
