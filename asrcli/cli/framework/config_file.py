"""The user's config file: YAML, a key an option, a section a command.

    language: en            # for every command that has the option
    transcribe:
      format: [txt, srt]    # for this command

A key applies to every command below its level; the deeper level overrides. Scalars are read as text, as on the command
line: `no` is the language, `1:30` is a time.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Self

from asrcli.errors import UsageError


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and its line."""

    value: str | list[str]
    line: int


@dataclass(frozen=True, slots=True)
class Section:
    """A mapping of the file: settings, and the sections inside it."""

    settings: Mapping[str, Setting]
    sections: Mapping[str, tuple[int, Self]]


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A parsed config file."""

    path: Path
    root: Section

    def levels(self, command: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Section]]:
        """The sections that apply to a command, outermost first, each with its path."""
        section = self.root
        path: tuple[str, ...] = ()
        yield path, section
        for name in command:
            if name not in section.sections:
                return
            section, path = section.sections[name][1], (*path, name)
            yield path, section

    def error(self, line: int, message: str, hint: str = "") -> UsageError:
        """An error at a line of the file."""
        return UsageError(
            f"{self.path}, line {line}: {message}", hint or "Correct the file, or name another one with --config."
        )

    def unknown_key(self, line: int, key: str, known: Collection[str]) -> UsageError:
        """An error for a key that no option has, with the nearest one that exists."""
        close = get_close_matches(key, known, n=1)
        hint = f"Did you mean '{close[0]}'?" if close else "'asrcli config show' lists the keys."
        return self.error(line, f"unknown key '{key}'.", hint)


def read(path: Path) -> ConfigFile:
    """Read a config file. Raises UsageError: it cannot be read, or is not YAML of the form above; the message names
    file and line.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except OSError as error:
        raise UsageError(
            f"Cannot read the config file {path}: {error.strerror}.", "Check --config or ASRCLI_CONFIG."
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise UsageError(f"{path}{where}: not valid YAML: {problem}.", "Correct the file.") from error
    return ConfigFile(path, _Reader(path).section(node) if node is not None else Section({}, {}))


class _Reader:
    """YAML nodes to sections with line numbers."""

    def __init__(self, path: Path) -> None:
        self._file = ConfigFile(path, Section({}, {}))

    def section(self, node: object) -> Section:
        from yaml import MappingNode, ScalarNode, SequenceNode

        if not isinstance(node, MappingNode):
            line = getattr(node, "start_mark").line + 1  # noqa: B009 -- every node has it; the stubs do not say
            raise self._file.error(line, "expected 'key: value' lines.")
        settings: dict[str, Setting] = {}
        sections: dict[str, tuple[int, Section]] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value).replace("_", "-"), key_node.start_mark.line + 1
            if key in settings or key in sections:
                raise self._file.error(line, f"'{key}' is set twice.")
            if isinstance(value_node, MappingNode):
                sections[key] = line, self.section(value_node)
            elif isinstance(value_node, SequenceNode) and all(
                isinstance(item, ScalarNode) for item in value_node.value
            ):
                settings[key] = Setting([item.value for item in value_node.value], line)
            elif isinstance(value_node, ScalarNode):
                if value_node.value not in {"", "~", "null"}:  # a key with no value is as good as none
                    settings[key] = Setting(value_node.value, line)
            else:
                raise self._file.error(line, f"'{key}' contains nested lists; write a value or a plain list.")
        return Section(settings, sections)
