"""A registry's entry of one model: the form of `models.yaml` and of the shipped catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal, get_args

from asrcli.backends.registry import is_remote
from asrcli.errors import ModelError, UsageError
from asrcli.language_codes import language_code

Kind = Literal["asr", "streaming", "vad", "punctuation", "segmentation", "embedding", "language-id"]
KINDS: tuple[Kind, ...] = get_args(Kind)

#: origin of an entry
Source = Literal["catalogue", "user", "embedded", "path"]

_KNOWN_KEYS = frozenset({
    "type", "dir", "files", "extra_files", "options", "kind", "description", "languages", "licence", "size", "window",
    "cluster_threshold", "download", "url",
})  # fmt: skip
#: options whose value is a language
_LANGUAGE_OPTIONS = frozenset({"language", "src_lang", "tgt_lang"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Sources of a model. Without any, the user must copy the files."""

    url: str | None = None
    #: folder inside the archive that becomes the model's folder; None: the archive's root
    archive_subdir: str | None = None
    sha256: str | None = None
    #: "owner/repository" on Hugging Face, and on ModelScope, with the same files one by one
    huggingface: str | None = None
    modelscope: str | None = None
    #: file -> sha256, of single files
    sums: Mapping[str, str] = field(default_factory=dict)

    @property
    def available(self) -> bool:
        """Whether there is an address to download it from."""
        return bool(self.url or self.huggingface or self.modelscope)

    @property
    def file_name(self) -> str:
        """Name of the archive, or of the file of a model of one file; "": there is no address of one."""
        return PurePosixPath((self.url or "").split("?")[0]).name.replace("%2B", "+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelEntry:
    """One model of the registry, installed or not."""

    name: str
    #: key of the backend's table ("sense_voice", "nemo_ctc", "pyannote", ...)
    type: str
    #: folder of the files, absolute or relative to the models' root
    dir: str
    #: logical name (the factory's parameter) -> path relative to `dir`
    files: Mapping[str, str]
    #: further required files, such as the contents of a tokenizer's folder
    extra_files: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    kind: Kind = "asr"
    description: str = ""
    #: ISO codes; empty: any, or unknown
    languages: tuple[str, ...] = ()
    licence: str = ""
    #: approximate bytes to download; None: unknown
    size: int | None = None
    #: longest chunk that suits the model, seconds
    window: float = 30.0
    #: of speaker embeddings: cosine distance at which clustering stops
    cluster_threshold: float | None = None
    download: Download = field(default_factory=Download)
    #: of a server that runs the model; it then has no files here
    url: str = ""
    #: of the model in a file that contains more; "": computed from the files
    digest: str = ""
    source: Source = "catalogue"

    @property
    def file_sums(self) -> dict[str, str]:
        """Path relative to `dir` -> sha256, as far as published: of single files, or of a model that is one file."""
        from asrcli.models.archive import is_archive  # imports tarfile, which listing models does not need

        sums = dict(self.download.sums)
        if self.download.sha256 and len(self.required) == 1 and not is_archive(self.download.url or ""):
            sums.setdefault(self.required[0], self.download.sha256)
        return sums

    @property
    def required(self) -> tuple[str, ...]:
        """Every path, relative to `dir`, that must exist."""
        return (*self.files.values(), *self.extra_files)


def parse_entry(name: str, data: Mapping[str, Any], *, where: str, source: Source) -> ModelEntry:
    """An entry from its YAML form; `where` is the name of the file, for messages. Raises ModelError: a key is missing,
    unknown or of the wrong type; the message names it.
    """

    def refuse(problem: str) -> ModelError:
        return ModelError(f"{where}: model {name!r}: {problem}.", "See docs/models.md for the form.")

    unknown = sorted(set(data) - _KNOWN_KEYS)
    if unknown:
        raise refuse(f"unknown key {', '.join(map(repr, unknown))}")
    wanted = ("type", "url") if is_remote(str(data.get("type", ""))) else ("type", "dir", "files")
    missing = [key for key in wanted if not data.get(key)]
    if missing:
        raise refuse(f"{missing[0]!r} is missing")
    foreign = [key for key in ("dir", "files", "url") if key in data and key not in wanted]
    if foreign:
        raise refuse(f"a model of type {data['type']!r} has no {foreign[0]!r}")
    kind = data.get("kind", "asr")
    if kind not in KINDS:
        raise refuse(f"kind {kind!r} is not one of {', '.join(KINDS)}")
    try:
        return ModelEntry(
            name=name,
            type=str(data["type"]),
            dir=str(data.get("dir") or ""),
            files={str(key): str(value) for key, value in (data.get("files") or {}).items()},
            extra_files=tuple(map(str, data.get("extra_files") or ())),
            options={
                str(key): (_language(value) or "") if key in _LANGUAGE_OPTIONS else value
                for key, value in (data.get("options") or {}).items()
            },
            kind=kind,
            description=str(data.get("description") or ""),
            languages=tuple(filter(None, map(_language, data.get("languages") or ()))),
            licence=str(data.get("licence") or ""),
            size=None if data.get("size") is None else int(data["size"]),
            window=float(data.get("window") or 30.0),
            cluster_threshold=None if data.get("cluster_threshold") is None else float(data["cluster_threshold"]),
            download=_parse_download(data.get("download") or {}),
            url=str(data.get("url") or ""),
            source=source,
        )
    except (AttributeError, TypeError, ValueError, UsageError) as error:
        raise refuse(getattr(error, "message", str(error)).rstrip(".")) from error


def _language(value: Any) -> str | None:
    """A code; Norwegian's, `no`, is false in YAML."""
    return language_code("no" if value is False else str(value))


def _parse_download(data: Mapping[str, Any]) -> Download:
    def text(key: str) -> str | None:
        value = data.get(key)
        return None if value in (None, "") else str(value)

    return Download(
        url=text("url"),
        archive_subdir=text("archive_subdir"),
        sha256=text("sha256"),
        huggingface=text("huggingface"),
        modelscope=text("modelscope"),
        sums={str(name): str(value) for name, value in (data.get("sums") or {}).items()},
    )


def entry_to_dict(entry: ModelEntry) -> dict[str, Any]:
    """The YAML form of an entry, without what is empty: `parse_entry` of it gives the entry back."""
    download = entry.download
    full: dict[str, Any] = {
        "kind": entry.kind,
        "type": entry.type,
        "description": entry.description,
        "url": entry.url,
        "dir": entry.dir,
        "files": dict(entry.files),
        "extra_files": list(entry.extra_files),
        "options": dict(entry.options),
        "languages": list(entry.languages),
        "licence": entry.licence,
        "size": entry.size,
        "window": entry.window,
        "cluster_threshold": entry.cluster_threshold,
        "download": {
            key: value
            for key in ("url", "archive_subdir", "sha256", "huggingface", "modelscope", "sums")
            if (value := getattr(download, key)) not in (None, {})
        },
    }
    return {key: value for key, value in full.items() if value not in (None, "", [], {})}


def overlay(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """The user's entry of a model merged over the catalogue's.

    Keys that the user leaves out are taken from the catalogue as far as they apply: with another `type` none, with
    another `dir` all but the files and their address.
    """
    if "type" in over and over["type"] != base.get("type"):
        return dict(over)
    merged = {**base, **over}
    if over.get("dir", base.get("dir")) != base.get("dir"):
        for key in ("files", "extra_files", "size", "download"):
            if key not in over:
                merged.pop(key, None)
    elif isinstance(over.get("download"), Mapping):
        merged["download"] = {**base.get("download", {}), **over["download"]}
    return merged
