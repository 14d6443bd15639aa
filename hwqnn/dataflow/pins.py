"""What a user fixes of a design's folding; all else stays the solver's choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from hwqnn.dataflow.accumulator import Product
from hwqnn.dataflow.design import Store
from hwqnn.dataflow.stage import Folding, Stage


@dataclass(frozen=True)
class Pin:
    """What is fixed of a stage's folding; None is free."""

    simd: int | None = None
    pe: int | None = None
    store: Store | None = None
    product: Product | None = None

    @property
    def fixed(self) -> dict[str, object]:
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}

    def allows(self, folding: Folding) -> bool:
        return all(getattr(folding, name) == value for name, value in self.fixed.items())

    def problem(self, stage: Stage) -> str:
        """Why no folding of the stage is allowed, in terms of the first choice that rules out the last ones; empty when one is."""
        left: tuple[Folding, ...] = stage.foldings
        met: list[str] = []
        for name, value in self.fixed.items():
            known = sorted({getattr(f, name) for f in left})
            left = tuple(f for f in left if getattr(f, name) == value)
            if not left:
                given = f" with {', '.join(met)}" if met else ""
                return f"cannot take {name}={value}{given}: {name} is one of {', '.join(map(str, known))}"
            met.append(f"{name}={value}")
        return ""


@dataclass(frozen=True)
class Pins:
    """The pins of layers by name, the input's elements per beat, and the pins of the layers' windows.

    Attributes:
        notes: what a file of foldings also says, but has no counterpart here; for the user to read.
    """

    layers: Mapping[str, Pin] = field(default_factory=dict)
    input_elements: int | None = None
    windows: Mapping[str, Pin] = field(default_factory=dict)
    notes: tuple[str, ...] = field(default=(), compare=False)

    def allowed(self, stage: Stage) -> tuple[Folding, ...]:
        """The stage's foldings that the pins leave."""
        pin = (self.layers if stage.edge is not None else self.windows).get(stage.layer, Pin())
        return tuple(f for f in stage.foldings if pin.allows(f))


NO_PINS = Pins()
