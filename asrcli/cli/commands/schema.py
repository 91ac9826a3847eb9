"""`asrcli schema`: print the JSON Schema of transcripts."""

from __future__ import annotations

from asrcli.cli.framework.command import examples


@examples(
    """\
asrcli schema > transcript.schema.json
check-jsonschema --schemafile transcript.schema.json talk.json"""
)
def schema() -> None:
    """Print the JSON Schema that '--format json' and '--format jsonl' follow."""
    from asrcli.formats import schema_text

    print(schema_text(), end="")
