"""`asrcli completion`: print the completion script of a shell."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from asrcli.cli.framework.command import examples, without_layers


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
    from asrcli.cli.framework.command_tree import program
    from tools.completion_scripts import SCRIPTS

    print(SCRIPTS[shell](program()), end="")
