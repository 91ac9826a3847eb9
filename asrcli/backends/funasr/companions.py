"""Companion models of FunASR's toolkit, in its engine process: CT-Transformer (ct-punc) adds punctuation, CAM++ (cam++)
embeds voices, FSMN-VAD (fsmn-vad) detects speech.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.backends.funasr.folder import read_folder
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from asrcli.audio.types import Samples
    from asrcli.backends.types import DecodeJob, ModelSpec

#: types in models.yaml, and the toolkit's classes
PUNCTUATION, EMBEDDING, VAD = "funasr_ct_transformer", "funasr_campplus", "funasr_fsmn_vad"
_CLASSES = {PUNCTUATION: "CTTransformer", EMBEDDING: "CAMPPlus", VAD: "FsmnVADStreaming"}

#: FSMN-VAD: samples of a frame and from one to the next, and frames of sound behind that which a score needs
_FRAME, _HOP, _AHEAD = 400, 160, 2


def load_punctuation(spec: ModelSpec) -> Callable[[str], str]:
    """Load a folder of CT-Transformer: text -> the text with marks. Raises ModelError: it holds another model;
    MissingExtraError: the toolkit is not installed.
    """
    infer = _inference(_load(spec.files.get("config"), PUNCTUATION, spec.name))

    def punctuate(text: str) -> str:
        # The toolkit reads a text that is a path or an address as a file; neither begins with a space.
        return str(infer(f" {text.strip()}")["text"]).strip()

    return punctuate


def load_embedding(weights: Path) -> Callable[[Samples], Any]:
    """Load the folder of CAM++ that holds `weights`: samples (n,) -> embedding (dimensions,). Raises ModelError: it
    holds another model; MissingExtraError: the toolkit is not installed.
    """
    infer = _inference(_load(weights.parent / "config.yaml", EMBEDDING, weights.parent.name))
    return lambda samples: infer(samples)["spk_embedding"][0].numpy()


def load_vad(spec: ModelSpec, threads: int) -> FsmnVad:
    """Load a folder of FSMN-VAD. Raises ModelError: it holds another model; MissingExtraError: the toolkit is not
    installed.
    """
    del threads
    return FsmnVad(_load(spec.files.get("config"), VAD, spec.name))


class FsmnVad:
    """Jobs carry samples, and how many samples each of the last windows has, and their number; results are the
    probabilities of speech in these windows, (windows,). The model's own threshold becomes 0.5.

    A window's probability comes of the frames that it completes, so it does not depend on what follows.
    """

    batch_size = 1

    def __init__(self, auto: Any) -> None:
        self._model, self._frontend = auto.model, auto.kwargs["frontend"]
        self._frontend.dither = 0.0  # random, and audible in silence

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Any]:
        return [self._probabilities(job.samples, *job.request) for job in jobs]

    def _probabilities(self, samples: Samples, size: int, count: int) -> Samples:
        import numpy as np
        import torch

        with torch.inference_mode():
            sound = torch.from_numpy(np.array(samples))[None]
            features, _ = self._frontend(sound, torch.tensor([len(samples)]), cache={}, is_final=False)
            scores = self._model.encoder(features, cache={})[0]
        options = self._model.vad_opts
        silence = scores[:, list(options.sil_pdf_ids)].sum(dim=1).numpy()
        margin = 1 - silence - silence**options.speech_2_noise_ratio
        speech = np.interp(margin, [-1.0, options.speech_noise_thres, 1.0], [0.0, 0.5, 1.0]).astype(np.float32)
        ends = len(samples) - size * np.arange(count, -1, -1)
        frames = (ends - _FRAME) // _HOP + 1 - _AHEAD
        return np.array([speech[low:high].max() for low, high in pairwise(frames)], np.float32)


def detect_companion(path: Path, type_: str) -> dict[str, Path] | None:
    """The files of a folder with a companion model of a type; None: it holds none."""
    folder = read_folder(path)
    found = folder is not None and folder.class_name == _CLASSES[type_]
    return {key: folder.files[key] for key in ("config", "model")} if folder and found else None


def _load(config: Path | None, type_: str, name: str) -> Any:
    """The toolkit's `AutoModel` of a folder."""
    folder = read_folder(config.parent) if config is not None else None
    if folder is None or folder.class_name != _CLASSES[type_] or folder.missing:
        raise ModelError(f"{name} is not a folder of FunASR's {_CLASSES[type_]}, or not a whole one.", "Check `dir:`.")
    try:
        from asrcli.backends.funasr import toolkit
    except ImportError as error:
        raise MissingExtraError(f"FunASR's toolkit cannot be imported: {error}.", pip_install("funasr")) from error
    try:
        return toolkit.AutoModel(
            model=str(folder.root), init_param=str(folder.files["model"]), device="cpu", ncpu=1, disable_update=True,
            disable_pbar=True, disable_log=True, log_level="ERROR", trust_remote_code=False,
        )  # fmt: skip
    except Exception as error:
        raise ModelError(f"FunASR cannot load {name}: {error}", "Is it a whole model?") from error


def _inference(auto: Any) -> Callable[[Any], Any]:
    """An input -> its result."""
    import torch

    lock = threading.Lock()

    def infer(value: Any) -> Any:
        with lock, torch.inference_mode():
            return auto.model.inference(data_in=[value], key=[""], **auto.kwargs)[0][0]

    return infer
