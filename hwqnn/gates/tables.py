"""Truth tables of LUTs as integers: bit i is the output where input k is bit k of i."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache


def table(inputs: int, function: Callable[[tuple[int, ...]], int]) -> int:
    """The table of a function of so many bits."""
    return sum(int(function(tuple(i >> k & 1 for k in range(inputs)))) << i for i in range(1 << inputs))


@cache
def count_bit(inputs: int, bit: int) -> int:
    """The table of bit `bit` of the number of ones among the inputs."""
    return table(inputs, lambda bits: sum(bits) >> bit & 1)


@cache
def simplify(function: int, codes: tuple[int, ...], variables: int) -> tuple[int, tuple[int, ...]]:
    """A function's table over those variables that it depends on.

    Args:
        codes: what drives each input: 0 or 1, a constant; 2 + 2 * v, variable v; 3 + 2 * v, variable v inverted.
    Returns:
        the table, and the variables in ascending order.
    """
    values = []
    for assignment in range(1 << variables):
        index = 0
        for k, code in enumerate(codes):
            index |= (code if code < 2 else (assignment >> (code - 2 >> 1) & 1) ^ (code & 1)) << k
        values.append(function >> index & 1)
    kept = tuple(v for v in range(variables) if any(values[i] != values[i ^ 1 << v] for i in range(1 << variables)))
    reduced = 0
    for i in range(1 << len(kept)):
        reduced |= values[sum((i >> k & 1) << v for k, v in enumerate(kept))] << i
    return reduced, kept


@cache
def spread(function: int, places: tuple[int, ...], inputs: int) -> int:
    """The table over `inputs` inputs of a function whose input k is number places[k] of them."""
    result = 0
    for i in range(1 << inputs):
        result |= (function >> sum((i >> place & 1) << k for k, place in enumerate(places)) & 1) << i
    return result


@cache
def depends(function: int, k: int, inputs: int) -> bool:
    """Whether input k matters to a function of so many inputs."""
    return any((function >> i ^ function >> (i ^ 1 << k)) & 1 for i in range(1 << inputs))


@cache
def restrict(function: int, kept: tuple[int, ...]) -> int:
    """The table over only the inputs `kept`, in that order, of a function that depends on no other."""
    return sum((function >> sum((i >> k & 1) << place for k, place in enumerate(kept)) & 1) << i for i in range(1 << len(kept)))
