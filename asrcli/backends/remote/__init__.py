"""Servers on other machines that speak OpenAI's audio interface."""

from asrcli.backends.model_type import ModelType

TYPE = "remote_openai"

#: what a server can do is not known here; the server reports it
REMOTE_TYPES = {
    TYPE: ModelType(hotwords="prompt", detects_language=True, punctuated=True, translation={"task": "translate"})
}
