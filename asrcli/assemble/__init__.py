"""Chunks and what was recognised in them to words in time and segments."""

from asrcli.assemble.assembler import Assembler

__all__ = ["Assembler"]
