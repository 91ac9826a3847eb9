"""`--name`: its fields that are the same for all inputs."""

from pathlib import Path

from asrcli.batch.naming import DETECTED, NameTemplate
from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.errors import ModelError
from asrcli.options import RecognitionOptions
from asrcli.options.values import OptionConflictError


def name_template(arguments: TranscribeArguments, recognition: RecognitionOptions) -> NameTemplate:
    """The template with language and model. Raises OptionConflictError: there is nothing to name."""
    if arguments.name is None:
        return NameTemplate()
    if arguments.output is not None:
        raise OptionConflictError("-o and --name exclude each other.", "Use one of them.", ("output", "name"))
    template = NameTemplate(arguments.name)
    values = {}
    if template.used & {"language", "model"}:
        model, languages = _model(arguments, recognition)
        values["model"] = model
        asked = recognition.language if arguments.manifest is None else None  # its lines may have others
        if language := recognition.target or asked or languages:
            values["language"] = language
        else:
            values["language"] = DETECTED
    return NameTemplate(arguments.name, values)


def _model(arguments: TranscribeArguments, recognition: RecognitionOptions) -> tuple[str, str]:
    """The name of the model, and its language if it has only one."""
    if arguments.remote is not None:
        return arguments.model or "remote", ""
    from asrcli.backends.checks import languages_of
    from asrcli.models.registry import Registry

    backend = None if arguments.backend == "auto" else arguments.backend
    registry = Registry(arguments.model_dir)
    try:
        spec = registry.resolve(arguments.named, language=recognition.language, backend=backend)
    except ModelError:  # not installed: reported, or downloaded, later
        return Path(arguments.named or registry.default_name(backend=backend)).name, ""
    languages = languages_of(spec)
    return spec.name, languages[0] if len(languages) == 1 else ""
