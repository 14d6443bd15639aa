"""Words that users write, looked up with the nearest known one in the error."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import TypeVar

from hwqnn.errors import InputError

_Value = TypeVar("_Value")


def nearest(word: str, known: Collection[str]) -> str:
    """ "did you mean 'x'?", or the list of what there is."""
    near = difflib.get_close_matches(word, known, 1)
    return f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}" if known else "there is none"


def choose(what: str, word: str, known: Mapping[str, _Value]) -> _Value:
    """The value of `word`.

    Raises:
        InputError: it is not known; the message calls it a `what`.
    """
    if word not in known:
        raise InputError(f"no {what} '{word}'; {nearest(word, known)}")
    return known[word]
