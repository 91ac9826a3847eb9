"""Models on disk: install, verify, remove.

The root holds a folder for each model, `models.lock.json` (pins.py), and hidden folders for running installations. A
model's folder appears by one rename.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from asrcli.errors import DiskFullError, DownloadError, ModelNotInstalledError, UsageError
from asrcli.models.archive import Limits, extract, is_archive
from asrcli.models.digest import sha256_file
from asrcli.models.entry import ModelEntry
from asrcli.models.mirrors import Mirror, hubs_of
from asrcli.models.pins import Pin, Pins, Verification, compare, sums_of
from asrcli.models.registry import Registry
from asrcli.storage.atomic import disk_errors
from asrcli.storage.http import DOWNLOADS, Progress, RetryPolicy
from asrcli.storage.locks import locked

_TRUST = "If you trust it, write its sha256 under download: of {} in models.yaml (docs/models.md)."

#: other files of an archive up to this size are kept: licence, readme, a bpe.model for hotwords
_COMPANION_BYTES = 1 << 20


class Store:
    """Writes the models' root of a registry."""

    def __init__(self, registry: Registry, *, policy: RetryPolicy = DOWNLOADS) -> None:
        self.registry = registry
        self.root = registry.root
        self.pins = Pins(registry.root)
        self._policy = policy

    # -- installing --------------------------------------------------------------------------------------------

    def install(
        self,
        name: str,
        *,
        mirrors: Sequence[Mirror] = (),
        source: Path | None = None,
        force: bool = False,
        progress: Progress | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Path:
        """Install a model, from the network or from an archive, unless it is installed; returns its folder. `mirrors`
        are tried before the model's own address; `source` is an archive (or a single-file model) on this machine: no
        network is used; `force` installs again; `progress` receives bytes so far; `on_wait` is called if another
        process is installing this model, whose result is then used. Raises UnknownModelError: no such name;
        DownloadError: the download failed, a checksum differs, or the archive is broken, incomplete or hostile;
        DiskFullError: the disk is full; UsageError: the model has no address, or its folder is outside the root.
        """
        entry = self.registry.entry(name)
        if entry.source == "embedded":
            return self.registry.folder(entry)
        target, locks = self._own_folder(entry), self.root / ".locks"
        with disk_errors(self.root), locked(locks / f"{target.name}.lock", on_wait=on_wait):
            if not force and not self.registry.missing(entry):
                return target
            self._sweep(target)
            incoming = Path(tempfile.mkdtemp(dir=self.root, prefix=f".incoming-{target.name}-"))
            try:
                origin, got = self._bring(entry, incoming, mirrors, source, progress)
                sums = self.verified(entry, incoming, archive_sum=got)
                self.place(entry, incoming, target)
                self.pins.record(target.name, Pin({} if got is None else {origin: got}, sums))
            finally:
                shutil.rmtree(incoming, ignore_errors=True)
        return target

    def _own_folder(self, entry: ModelEntry) -> Path:
        folder = Path(os.path.normpath(self.registry.folder(entry)))
        if folder.parent != self.root:
            raise UsageError(
                f"The folder of {entry.name}, {folder}, is outside {self.root}: asrcli does not manage it.",
                "Change its 'dir' in models.yaml to a plain name.",
            )
        return folder

    def _pin(self, entry: ModelEntry) -> Pin:
        return self.pins.of(self.registry.folder(entry).name)

    def _sweep(self, target: Path) -> None:
        """Remove what killed installations of this model left. The caller holds the model's lock: none is running."""
        for rest in self.root.glob(".incoming-*"):
            # mkdtemp's suffix has no dash: the rest is the name, however much of it another model's name shares.
            if rest.name.rpartition("-")[0] == f".incoming-{target.name}":
                shutil.rmtree(rest, ignore_errors=True)

    def verified(self, entry: ModelEntry, incoming: Path, *, archive_sum: str | None = None) -> dict[str, str]:
        """Compare the files of a folder with the sums of the entry, or without any with those recorded at an earlier
        install. Returns relative path -> sha256.

        Known are the sums of the entry, and without any those recorded when the model was installed before.

        `archive_sum` is the sha256 of the archive that held them. Raises DownloadError: a file has another sum.
        """
        sums = sums_of(incoming)
        known = entry.file_sums
        if entry.download.sha256 is None or archive_sum != entry.download.sha256:
            known = {**self._pin(entry).files, **known}
        for name, sum_ in sums.items():
            if name in known and known[name] != sum_:
                what = f"{name} is not that of {entry.name} (sha256 {sum_}, expected {known[name]})."
                raise DownloadError(what, self._trust(entry, name))
        return sums

    def _trust(self, entry: ModelEntry, name: str) -> str:
        if name in entry.file_sums:
            return _TRUST.format(entry.name)
        return f"If you trust it, remove {self.registry.folder(entry).name!r} from {self.pins.path}."

    def _bring(
        self,
        entry: ModelEntry,
        incoming: Path,
        mirrors: Sequence[Mirror],
        source: Path | None,
        progress: Progress | None,
    ) -> tuple[str, str | None]:
        """Put the files into `incoming`; their source, and the archive's sha256 if there was one."""
        if source is not None:
            if not source.is_file():
                raise UsageError(f"No such file: {source}.", "--from takes an archive, or a model of a single file.")
            sum_ = sha256_file(source)
            expected = entry.download.sha256
            if expected is not None and is_archive(entry.download.url or "") and sum_ != expected:
                raise DownloadError(
                    f"{source} is not the archive of {entry.name} (sha256 {sum_}, expected {expected}).",
                    _TRUST.format(entry.name),
                )
            self._unpack(entry, source, incoming)
            return str(source), sum_
        for mirror in mirrors:
            if mirror.endpoint is not None:
                return self._bring_files(entry, mirror, incoming, progress)
        url = entry.download.url
        if url is None and hubs_of(entry):
            return self._bring_from_hubs(entry, incoming, mirrors, progress)
        if url is None:
            raise UsageError(
                f"The model {entry.name} has no download address.",
                f"Put its files into {self.registry.folder(entry)}: {', '.join(entry.required)}.",
            )
        self._check_room(entry)
        archive = self._downloads(entry) / entry.download.file_name
        from asrcli.models.download import fetch

        sum_ = fetch(
            [*(mirror.url(url) for mirror in mirrors), url],
            archive,
            sha256=entry.download.sha256 or self._pin(entry).archives.get(url),
            max_bytes=_most(entry),
            progress=progress,
            policy=self._policy,
        )
        self._unpack(entry, archive, incoming)
        shutil.rmtree(self._downloads(entry), ignore_errors=True)
        return url, sum_

    def _bring_from_hubs(
        self, entry: ModelEntry, incoming: Path, mirrors: Sequence[Mirror], progress: Progress | None
    ) -> tuple[str, str | None]:
        """The files of a model without an archive, from the first hub that has them all."""
        self._check_room(entry)
        first, *others = hubs_of(entry)
        try:
            return self._bring_files(entry, first, incoming, progress, mirrors)
        except DownloadError as error:
            if not others:
                raise
            try:
                return self._bring_files(entry, others[0], incoming, progress, mirrors)
            except DownloadError as other:
                raise DownloadError(f"{error.message} {other.message}", error.hint) from other

    def _bring_files(
        self,
        entry: ModelEntry,
        mirror: Mirror,
        incoming: Path,
        progress: Progress | None,
        templates: Sequence[Mirror] = (),
    ) -> tuple[str, str | None]:
        """One by one from a hub or a server like it; parts are kept, so that the next call resumes."""
        files = mirror.files(entry)
        expected = {**self._pin(entry).files, **entry.file_sums}
        parts = self._downloads(entry)
        if mirror.hub != "huggingface":
            parts /= mirror.hub  # hubs may have different conversions: their files are not mixed
        done = 0

        def step(had: int, _total: int | None) -> None:
            if progress is not None:
                progress(done + had, None)

        from asrcli.models.download import fetch

        for name, url in files.items():
            part = parts / name
            if not part.is_file():
                urls = [*(template.url(url) for template in templates), url]
                fetch(urls, part, sha256=expected.get(name), max_bytes=_most(entry), progress=step, policy=self._policy)
            done += part.stat().st_size
        for name in files:
            (incoming / name).parent.mkdir(parents=True, exist_ok=True)
            (parts / name).replace(incoming / name)
        shutil.rmtree(parts, ignore_errors=True)
        return f"{mirror.endpoint}/{mirror.repository(entry)}", None

    def _check_room(self, entry: ModelEntry) -> None:
        if entry.size is None:
            return
        # The archive, and about as much again unpacked (quantised weights hardly compress).
        needed, free = int(entry.size * 2.2), shutil.disk_usage(self.root).free
        if needed > free:
            raise DiskFullError(
                f"{entry.name} needs about {needed / 1e6:,.0f} MB; {free / 1e6:,.0f} MB are free in {self.root}.",
                "Free some space, or choose another folder with --model-dir.",
            )

    def _unpack(self, entry: ModelEntry, archive: Path, incoming: Path) -> None:
        if not is_archive(archive.name):
            if len(entry.files) != 1:
                raise DownloadError(f"{archive.name} is not an archive, but {entry.name} has several files.")
            (name,) = entry.files.values()
            shutil.copyfile(archive, incoming / name)
            return
        prefix = PurePosixPath(entry.download.archive_subdir or "")
        # Two entries may share a folder (int8 and float32 of one model): the files of both are kept.
        siblings = [other for other in self.registry.entries() if other.dir == entry.dir]
        needed = {prefix / name for other in siblings for name in other.required}
        stems = {name.with_suffix("") for name in needed if name.suffix == ".onnx"}

        def keep(name: PurePosixPath, size: int) -> bool:
            if name in needed or any(parent in needed for parent in name.parents) or _weights(name) & stems:
                return True
            return size <= _COMPANION_BYTES and "test_wavs" not in name.parts and name.is_relative_to(prefix)

        extract(archive, incoming, keep=keep, limits=Limits(total=max(8 << 30, 12 * (entry.size or 0))))
        inner = incoming.joinpath(*prefix.parts)
        if inner != incoming and inner.is_dir():
            for child in list(inner.iterdir()):
                child.replace(incoming / child.name)
            shutil.rmtree(incoming / prefix.parts[0])

    def place(self, entry: ModelEntry, incoming: Path, target: Path) -> None:
        """Make a folder of complete files (under the root) the model's folder. The caller holds the model's lock.
        Raises DownloadError: a required file is missing.
        """
        lost = [name for name in entry.required if not (incoming / name).exists()]
        if lost:
            raise DownloadError(
                f"The files received for {entry.name} lack {', '.join(lost)}.",
                "The publisher may have changed the archive: write the new names into models.yaml (docs/models.md).",
            )
        incoming.chmod(0o755)  # mkdtemp makes folders private
        if not target.exists():
            incoming.rename(target)
            return
        # Keep files that only the old folder has (another precision, a user's hotwords), then exchange the folders.
        for old in target.rglob("*"):
            new = incoming / old.relative_to(target)
            if old.is_file() and not new.exists():
                new.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(old, new)
        retired = Path(tempfile.mkdtemp(dir=self.root, prefix=f".incoming-{target.name}-")) / target.name
        target.rename(retired)
        incoming.rename(target)
        shutil.rmtree(retired.parent, ignore_errors=True)

    # -- maintenance -------------------------------------------------------------------------------------------

    def verify(self, name: str) -> Verification:
        """Compare an installed model's files with the sums recorded when it was installed. Raises UnknownModelError: no
        such name.
        """
        entry = self.registry.entry(name)
        return compare(name, self.registry.folder(entry), entry.required, self._pin(entry))

    def remove(self, name: str) -> tuple[str, ...]:
        """Delete an installed model's folder and its unfinished downloads. Returns the names of all models in that
        folder. Raises UnknownModelError: no such name; ModelNotInstalledError: it has no files here; UsageError: it is
        embedded in a wheel, or its folder is outside the root.
        """
        entry = self.registry.entry(name)
        if entry.source == "embedded":
            raise UsageError(
                f"{name} is part of a Python package.", "Remove the package with: pip uninstall moonshine-voice"
            )
        target = self._own_folder(entry)
        gone = tuple(
            other.name
            for other in self.registry.entries()
            if other.dir == entry.dir and not self.registry.missing(other)
        )
        downloads = self._downloads(entry)
        if not target.exists() and not downloads.exists():
            raise ModelNotInstalledError(
                f"The model {name} is not installed.", "List installed models with: asrcli models list --installed"
            )
        with disk_errors(self.root), locked(self.root / ".locks" / f"{target.name}.lock"):
            shutil.rmtree(downloads, ignore_errors=True)
            if target.exists():
                # One rename first: a reader finds the whole model or none.
                retired = Path(tempfile.mkdtemp(dir=self.root, prefix=f".incoming-{target.name}-"))
                target.rename(retired / target.name)
                shutil.rmtree(retired, ignore_errors=True)
        return gone

    def _downloads(self, entry: ModelEntry) -> Path:
        """Where unfinished downloads of a model are kept; only its own."""
        return self.root / ".downloads" / self.registry.folder(entry).name


def _weights(name: PurePosixPath) -> set[PurePosixPath]:
    """The graphs, without suffix, whose weights a file may hold: "encoder.onnx.data" or "encoder.weights"."""
    if name.suffix not in {".data", ".weights"}:
        return set()
    return {name.with_suffix(""), name.with_suffix("").with_suffix("")}


def _most(entry: ModelEntry) -> int | None:
    """Maximum bytes of a download; sizes in the catalogue are approximate."""
    return None if entry.size is None else 3 * entry.size + (64 << 20)
