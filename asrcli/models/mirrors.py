"""Mirrors: other sources of the same files."""

import urllib.parse
from dataclasses import dataclass
from typing import Literal

from asrcli.errors import UsageError
from asrcli.models.entry import ModelEntry

HUGGING_FACE = "https://huggingface.co"
MODELSCOPE = "https://www.modelscope.cn"

Hub = Literal["huggingface", "modelscope"]


@dataclass(frozen=True, slots=True)
class Mirror:
    """The endpoint of a hub, which has single files, or a template for addresses."""

    endpoint: str | None = None
    template: str | None = None
    #: the form of the endpoint's addresses
    hub: Hub = "huggingface"

    def url(self, url: str) -> str:
        """The mirror's address of `url`; only for templates."""
        assert self.template is not None
        split = urllib.parse.urlsplit(url)
        return (
            self.template.replace("{url}", url)
            .replace("{host}", split.netloc)
            .replace("{path}", split.path.lstrip("/"))
            .replace("{name}", split.path.rsplit("/", 1)[-1])
        )

    def files(self, entry: ModelEntry) -> dict[str, str]:
        """Relative path -> address of each file of a model; only for endpoints. Raises UsageError: the model is not
        known to be on that hub.
        """
        repository = self.repository(entry)
        if repository is None:
            raise UsageError(
                f"{entry.name} is not known to be on {_TITLES[self.hub]}.",
                "Leave out --mirror, or give a mirror of GitHub's releases, such as https://host/{path}.",
            )
        wanted = [*entry.files.values(), *entry.extra_files]
        # The files of a tokenizer's folder are listed, so the folder itself is not.
        folders = {name for name in wanted if any(other.startswith(f"{name}/") for other in wanted)}
        where = f"{repository}/resolve/main" if self.hub == "huggingface" else f"models/{repository}/resolve/master"
        base = f"{self.endpoint}/{where}/"
        return {name: base + urllib.parse.quote(name) for name in wanted if name not in folders}

    def repository(self, entry: ModelEntry) -> str | None:
        """The model's repository on the endpoint's hub; None: unknown."""
        return entry.download.huggingface if self.hub == "huggingface" else entry.download.modelscope


_TITLES: dict[Hub, str] = {"huggingface": "Hugging Face", "modelscope": "ModelScope"}
_SHORTHANDS = {
    "hf": Mirror(endpoint=HUGGING_FACE),
    "hf-mirror": Mirror(endpoint="https://hf-mirror.com"),
    "ms": Mirror(endpoint=MODELSCOPE, hub="modelscope"),
}


_PREFIXES: dict[str, Hub] = {"hf:": "huggingface", "ms:": "modelscope"}


def hubs_of(entry: ModelEntry) -> list[Mirror]:
    """The hubs with a model's single files, for models without an archive."""
    return [hub for hub in (_SHORTHANDS["hf"], _SHORTHANDS["ms"]) if hub.repository(entry)]


def parse_mirror(text: str) -> Mirror:
    """Read a mirror as users write it.

    `hf`, `hf-mirror`, `hf:https://endpoint`, `ms` or `ms:https://endpoint`: single files from Hugging Face, ModelScope
    or a server like it; a template with `{url}`, `{host}`, `{path}` or `{name}` of the original address; any other
    address: a prefix before the original.

    Raises UsageError: none of these.
    """
    if text in _SHORTHANDS:
        return _SHORTHANDS[text]
    hub = _PREFIXES.get(text[:3])
    if hub is not None:
        return Mirror(endpoint=_address(text[3:]).rstrip("/"), hub=hub)
    if "{" in text:
        if not any(word in text for word in ("{url}", "{path}", "{name}")):
            raise UsageError(f"The mirror {text!r} has none of {{url}}, {{path}} and {{name}}.")
        return Mirror(template=_address(text))
    return Mirror(template=_address(text).rstrip("/") + "/{url}")


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise UsageError(
            f"{text!r} is not a mirror.",
            "A mirror is hf, hf-mirror, ms, hf:https://endpoint, a prefix such as https://host, or a template such as "
            "https://host/{path}.",
        )
    return text
