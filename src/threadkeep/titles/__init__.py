"""Titles: taken from a conversation's own words (`extract`), or asked of a model (`request_messages`), whose answer is
cleaned (`clean`). Pure functions of text, which know nothing of threads."""

from threadkeep.titles.extracting import extract
from threadkeep.titles.prompt import MAX_OUTPUT_TOKENS, request_messages
from threadkeep.titles.rules import clean

__all__ = ["MAX_OUTPUT_TOKENS", "clean", "extract", "request_messages"]
