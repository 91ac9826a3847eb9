"""Other places for the same files."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass

from asrcli.errors import UsageError
from asrcli.models.entry import ModelEntry

HUGGING_FACE = "https://huggingface.co"
_SHORTHANDS = {"hf": HUGGING_FACE, "hf-mirror": "https://hf-mirror.com"}


@dataclass(frozen=True, slots=True)
class Mirror:
    """Either a Hugging Face endpoint, or a template for addresses."""

    endpoint: str | None = None
    template: str | None = None

    def url(self, url: str) -> str:
        """The address that stands for `url`; only for templates."""
        assert self.template is not None
        split = urllib.parse.urlsplit(url)
        return (
            self.template.replace("{url}", url)
            .replace("{host}", split.netloc)
            .replace("{path}", split.path.lstrip("/"))
            .replace("{name}", split.path.rsplit("/", 1)[-1])
        )

    def files(self, entry: ModelEntry) -> dict[str, str]:
        """Relative path -> address of each file of a model; only for endpoints.

        Raises:
            UsageError: the model is not known to lie on Hugging Face.
        """
        repository = entry.download.huggingface
        if repository is None:
            raise UsageError(
                f"{entry.name} is not known to lie on Hugging Face.",
                "Leave --mirror out, or give one that passes GitHub's releases on, such as https://host/{path}.",
            )
        wanted = [*entry.files.values(), *entry.extra_files]
        # A tokenizer's folder is named by what lies in it.
        folders = {name for name in wanted if any(other.startswith(f"{name}/") for other in wanted)}
        base = f"{self.endpoint}/{repository}/resolve/main/"
        return {name: base + urllib.parse.quote(name) for name in wanted if name not in folders}


def parse_mirror(text: str) -> Mirror:
    """A mirror as the user writes it.

    `hf`, `hf-mirror` or `hf:https://endpoint`: single files from Hugging Face or a server like it; a template with
    `{url}`, `{host}`, `{path}` or `{name}` of the original address; any other address: a prefix before the original.

    Raises:
        UsageError: none of these.
    """
    if text in _SHORTHANDS:
        return Mirror(endpoint=_SHORTHANDS[text])
    if text.startswith("hf:"):
        return Mirror(endpoint=_address(text[3:]).rstrip("/"))
    if "{" in text:
        if not any(word in text for word in ("{url}", "{path}", "{name}")):
            raise UsageError(f"The mirror {text!r} names no {{url}}, {{path}} or {{name}}.")
        return Mirror(template=_address(text))
    return Mirror(template=_address(text).rstrip("/") + "/{url}")


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise UsageError(
            f"{text!r} is no mirror.",
            "A mirror is hf, hf-mirror, hf:https://endpoint, a prefix such as https://host, or a template such as "
            "https://host/{path}.",
        )
    return text
