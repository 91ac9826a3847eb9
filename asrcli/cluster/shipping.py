"""Models that travel to the nodes through Ray's object store (`--ship-model`), compared by digest where they arrive."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.backends.registry import backend_of
from asrcli.errors import ModelError
from asrcli.models.digest import sha256_file
from asrcli.storage.atomic import disk_errors, write_all
from asrcli.storage.user_folders import user_folder

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.model_set import ModelSet

#: bytes of a file that are one object
_PIECE = 16 << 20
#: backends that read exactly the files of an entry; others read the whole folder
_BY_FILE = frozenset({"sherpa-onnx"})


@dataclass(frozen=True, slots=True)
class ShippedFile:
    """A file of a model."""

    #: below the folder that all files have in common
    name: str
    sha256: str
    #: references to its bytes
    pieces: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ShippedModels:
    """The models of a run, with paths of the driver, and their files."""

    models: ModelSet
    #: what the files have in common
    root: Path
    files: tuple[ShippedFile, ...]

    def unpack(self, get: Callable[[Any], bytes]) -> ModelSet:
        """The models in the cache folder of this machine; `get` returns the bytes of a reference. Files that are
        there already are compared, not written again. Raises ModelError: what arrived is not what was sent;
        DiskFullError or OutputError: the folder cannot be written.
        """
        key = hashlib.sha256("".join(f"{file.name}\0{file.sha256}\n" for file in self.files).encode())
        folder = user_folder("cache") / "shipped" / key.hexdigest()[:32]
        with disk_errors(folder, "Free some space on the node, or install the model there."):
            for file in self.files:
                target = folder / file.name
                if not target.is_file() or sha256_file(target) != file.sha256:
                    _write(target, file, map(get, file.pieces))
        return _moved(self.models, lambda path: folder / path.relative_to(self.root))


def ship(models: ModelSet, put: Callable[[bytes], Any]) -> ShippedModels:
    """The models of a run for other machines; `put` returns a reference to bytes."""
    paths = {file: None for path in _paths(models) for file in _files_below(path)}
    root = Path(os.path.commonpath([path.parent for path in paths]))
    return ShippedModels(models, root, tuple(_put(path, root, put) for path in paths))


def _put(path: Path, root: Path, put: Callable[[bytes], Any]) -> ShippedFile:
    digest, pieces = hashlib.sha256(), []
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
            pieces.append(put(piece))
    return ShippedFile(path.relative_to(root).as_posix(), digest.hexdigest(), tuple(pieces))


def _write(target: Path, file: ShippedFile, pieces: Iterable[bytes]) -> None:
    """Write a file under a temporary name. Raises ModelError: as `unpack`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    try:
        with part.open("wb") as stream:
            for piece in pieces:
                digest.update(piece)
                write_all(stream.fileno(), piece)
            os.fsync(stream.fileno())
        if digest.hexdigest() != file.sha256:
            raise ModelError(f"{file.name} was damaged on its way from the driver.", "Run the same command again.")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _specs(models: ModelSet) -> Iterator[ModelSpec]:
    yield models.spec
    yield from filter(None, [models.punctuation, models.vad, models.identification])
    if models.speakers is not None:
        yield from (models.speakers.spec, models.speakers.embedding)


def _paths(models: ModelSet) -> Iterator[Path]:
    """What the engines read: files and folders."""
    for spec in _specs(models):
        by_file = backend_of(spec.type).name in _BY_FILE
        for path in [*spec.files.values(), *_path_options(spec).values()]:
            yield path if by_file else path.parent
    if models.options.vad.model is not None:
        yield models.options.vad.model


def _path_options(spec: ModelSpec) -> Mapping[str, Path]:
    """Options of an entry that name a file (grammars of numbers)."""
    return {
        name: Path(value) for name, value in spec.options.items() if isinstance(value, str) and os.path.isfile(value)
    }


def _files_below(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(child for child in path.absolute().rglob("*") if child.is_file())
    else:
        yield path.absolute()


def _moved(models: ModelSet, move: Callable[[Path], Path]) -> ModelSet:
    """The models with other paths."""

    def spec_of(spec: ModelSpec | None) -> Any:
        if spec is None:
            return None
        options = {name: str(move(path.absolute())) for name, path in _path_options(spec).items()}
        files = {name: move(path.absolute()) for name, path in spec.files.items()}
        return replace(spec, files=files, options={**spec.options, **options})

    speakers, vad = models.speakers, models.options.vad
    if speakers is not None:
        speakers = replace(speakers, spec=spec_of(speakers.spec), embedding=spec_of(speakers.embedding))
    if vad.model is not None:
        vad = replace(vad, model=move(vad.model.absolute()))
    return replace(
        models,
        spec=spec_of(models.spec),
        punctuation=spec_of(models.punctuation),
        vad=spec_of(models.vad),
        identification=spec_of(models.identification),
        speakers=speakers,
        options=replace(models.options, vad=vad),
        itn_cache=None if models.itn_cache is None else user_folder("cache") / "itn",
    )
