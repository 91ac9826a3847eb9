"""From two models of the registry to a diarizer: what the command line and the server share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING

from asrcli.audio.types import SAMPLE_RATE
from asrcli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from asrcli.backends.process.engine_client import EngineClient
    from asrcli.backends.types import ModelSpec
    from asrcli.models.entry import Kind
    from asrcli.models.registry import Registry
    from asrcli.options import SpeakerOptions
    from asrcli.speakers.diarizer import Diarizer, Submit, Thresholds, Voice
    from asrcli.speakers.enrol import VoiceStore
    from asrcli.speakers.live import SpeakerMemory

#: what `EngineHost.load` takes as the kind
SERVICE = "asrcli.speakers.service:load"
_NAME = "speakers"

#: for embedding models given by path, without a catalogue entry
DEFAULT_CLUSTER_THRESHOLD = 0.7
#: shares of the clustering threshold, for models whose entry has no distance of their own
_JOIN_SHARE = 0.4
#: a false name is worse than none
_VOICE_SHARE = 0.6


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that diarization needs, not yet loaded."""

    spec: ModelSpec
    embedding: ModelSpec
    options: SpeakerOptions
    known: tuple[Voice, ...]
    #: what the models and the enrolled voices add to a journal's fingerprint
    digest: str
    #: what the user should know: people who are enrolled with another embedding model
    notices: tuple[str, ...] = ()

    @property
    def service(self) -> str:
        """What `EngineClient.load` takes as the kind."""
        return SERVICE

    def diarizers(
        self, submit: Submit, voices: Sequence[Voice] = (), *, stream: bool = False
    ) -> Callable[[], Diarizer]:
        """A factory of diarizers, one for each recording, or one for each `stream`; `voices` override enrolled ones by
        name.
        """
        names = {voice.name for voice in voices}
        known = [*voices, *(voice for voice in self.known if voice.name not in names)]
        return diarizers(submit, self.spec, self.options, known, stream=stream)

    def live_diarizers(self, submit: Submit, memory: SpeakerMemory) -> Callable[[], Diarizer]:
        """A factory of diarizers of sentences of one stream, one for each sentence in turn."""
        from asrcli.speakers.live import LiveDiarizer

        return partial(LiveDiarizer, submit, thresholds(self.spec), self.known, memory)

    def start(self, host: EngineClient) -> Callable[[], Diarizer]:
        """Start to load the models in an engine process; returns a factory of diarizers."""
        host.load(_NAME, SERVICE, self.spec)
        return self.diarizers(partial(host.submit, _NAME))


@dataclass(frozen=True, slots=True)
class Diarization:
    """Diarization ready to be used."""

    #: a fresh diarizer for each recording
    new: Callable[[], Diarizer]
    spec: ModelSpec
    embedding: ModelSpec
    digest: str
    notices: tuple[str, ...] = ()


def set_up(
    host: EngineClient, registry: Registry, options: SpeakerOptions, store: VoiceStore | None = None
) -> Diarization:
    """Resolve the models, begin to load them, and see who is enrolled: `prepare`, then `Prepared.start`. Raises
    UsageError: the options contradict each other; ModelError: a model is unknown or not installed; InputError: a stored
    voice print is damaged.
    """
    segmentation = registry.resolve(options.segmentation_model, kind="segmentation")
    embedding = registry.resolve(options.embedding_model, kind="embedding")
    ready = prepare(segmentation, embedding, options, store)
    return Diarization(ready.start(host), ready.spec, embedding, ready.digest, ready.notices)


def prepare(
    segmentation: ModelSpec, embedding: ModelSpec, options: SpeakerOptions, store: VoiceStore | None = None
) -> Prepared:
    """Combine the resolved models and the enrolled voices; `store` None: no speaker is known by name. Raises
    UsageError: the options contradict each other; ModelError: a model is not one for its task; InputError: a stored
    voice print is damaged.
    """
    check_options(options)
    _check_network(segmentation, "segmentation")
    _check_network(embedding, "embedding")
    spec = diarization_spec(segmentation, embedding)
    known, others = store.voices(embedding.digest) if store else ([], [])
    notice = (
        f"{', '.join(others)} cannot be recognised with {embedding.name}: enrolled with another embedding model. "
        "Enrol again with: asrcli speakers enroll"
    )
    digest = sha256(f"{spec.digest}{voices_digest(known)}".encode()).hexdigest()
    return Prepared(spec, embedding, options, tuple(known), digest, (notice,) if others else ())


def diarization_spec(segmentation: ModelSpec, embedding: ModelSpec) -> ModelSpec:
    """One spec of a segmentation and an embedding model, with the latter's options (see `thresholds`)."""
    from asrcli.backends.types import ModelSpec

    return ModelSpec(
        name=f"{segmentation.name}+{embedding.name}",
        type="diarization",
        files={"segmentation": segmentation.files["model"], "embedding": embedding.files["model"]},
        options={**embedding.options, "segmentation_type": segmentation.type, "embedding_type": embedding.type},
        digest=sha256(f"{segmentation.digest}\n{embedding.digest}".encode()).hexdigest(),
    )


def _check_network(spec: ModelSpec, task: Kind) -> None:
    """Check that a graph is one for its task. Raises ModelError: it is not, or is damaged."""
    from asrcli.backends.checks import explain_failure
    from asrcli.storage.onnx_file import read_metadata, read_signature

    path, fits = spec.files["model"], True
    if spec.type == "pyannote":  # one input: (recordings, 1, samples)
        shapes = [value.sizes for value in read_signature(path).inputs]
        shape = shapes[0] if len(shapes) == 1 else ()
        fits = shape is None or (len(shape) == 3 and _is_size(shape[1], 1, 1) and _is_size(shape[2], SAMPLE_RATE))
    elif spec.type == "speaker_embedding":
        fits = bool(read_metadata(path).get("framework"))
    if not fits:
        raise ModelError(
            f"{spec.name}: {path} is not a model for speaker {task}.",
            explain_failure(spec) or f"Choose one of: asrcli models list --kind {task}",
        )


def _is_size(size: int | str, least: int, most: int | None = None) -> bool:
    """Whether a dimension may have a size; a name: any."""
    return isinstance(size, str) or (size >= least and (most is None or size <= most))


def check_options(options: SpeakerOptions) -> None:
    """Refuse contradictory counts. Raises UsageError: a count below 1, more wanted than allowed, or a count together
    with bounds; a threshold that no two voices can reach.
    """
    counts = (options.speakers, options.min_speakers, options.max_speakers)
    if any(count is not None and count < 1 for count in counts):
        raise UsageError("The number of speakers must be at least 1.")
    if options.speakers is not None and counts != (options.speakers, None, None):
        raise UsageError(
            "--speakers sets the exact number of speakers.", "Leave out --min-speakers and --max-speakers."
        )
    if options.min_speakers and options.max_speakers and options.min_speakers > options.max_speakers:
        raise UsageError(f"--min-speakers {options.min_speakers} is more than --max-speakers {options.max_speakers}.")
    if options.cluster_threshold is not None and not 0.0 < options.cluster_threshold < 2.0:
        raise UsageError(
            f"--cluster-threshold {options.cluster_threshold:g} is not a cosine distance.",
            "It lies between 0 and 2; 0.3 to 0.9 is usual. Higher finds fewer speakers.",
        )


def diarizers(
    submit: Submit, spec: ModelSpec, options: SpeakerOptions, known: Sequence[Voice] = (), *, stream: bool = False
) -> Callable[[], Diarizer]:
    """A factory of diarizers, one for each recording or `stream`, given a service loaded with the spec and checked
    options.
    """
    from asrcli.speakers.diarizer import Diarizer
    from asrcli.speakers.live import StreamDiarizer

    return partial(StreamDiarizer if stream else Diarizer, submit, options, thresholds(spec), known)


def thresholds(spec: ModelSpec) -> Thresholds:
    """The embedding model's distances, from its entry; those that it lacks follow from `cluster_threshold`."""
    from asrcli.speakers.diarizer import Thresholds

    cluster = float(spec.options.get("cluster_threshold", DEFAULT_CLUSTER_THRESHOLD))
    join = float(spec.options.get("join_threshold", _JOIN_SHARE * cluster))
    return Thresholds(cluster, join, float(spec.options.get("voice_threshold", _VOICE_SHARE * cluster)))


def voices_digest(known: Sequence[Voice]) -> str:
    """What the enrolled voices add to a journal's fingerprint: "" without any."""
    if not known:
        return ""
    digest = sha256()
    for voice in sorted(known, key=lambda voice: voice.name):
        digest.update(voice.name.encode() + b"\0" + voice.embedding.tobytes())
    return digest.hexdigest()
