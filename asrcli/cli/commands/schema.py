"""`asrcli schema`: print a JSON Schema."""

from dataclasses import dataclass
from typing import Literal

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.options.declarations import option


@dataclass(frozen=True, kw_only=True)
class SchemaArguments:
    name: Literal["transcript", "event"] = option(
        "transcript", "Transcripts of --format json and jsonl, or events of --log-json.", positional=True
    )


@takes(SchemaArguments)
@examples(
    """\
asrcli schema > transcript.schema.json
asrcli schema event > event.schema.json
check-jsonschema --schemafile transcript.schema.json talk.json"""
)
def schema(ctx: typer.Context, arguments: SchemaArguments) -> None:
    """Print the JSON Schema of transcripts or of events."""
    from asrcli.formats import schema_text

    print(schema_text(arguments.name), end="")
