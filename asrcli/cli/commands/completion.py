"""`asrcli completion`: print the completion script of a shell."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import typer

from asrcli.cli.framework.command import examples, without_layers

_FILES = {"bash": "asrcli.bash", "zsh": "_asrcli", "fish": "asrcli.fish"}


@without_layers
@examples(
    """\
asrcli completion bash > ~/.local/share/bash-completion/completions/asrcli
asrcli completion zsh > ~/.zfunc/_asrcli          (a folder of $fpath)
asrcli completion fish > ~/.config/fish/completions/asrcli.fish"""
)
def completion(
    shell: Annotated[Literal["bash", "zsh", "fish"], typer.Argument(metavar="bash|zsh|fish", help="Which shell.")],
) -> None:
    """Print the completion script of a shell. Put it where the shell looks for such scripts."""
    print(_script(_FILES[shell]), end="")


def _script(name: str) -> str:
    """A generated script: part of the installed package, or in `completions/` of the checkout it runs from."""
    packaged = files("asrcli") / "completions" / name
    path = packaged if packaged.is_file() else Path(__file__).parents[3] / "completions" / name
    return path.read_text(encoding="utf-8")
