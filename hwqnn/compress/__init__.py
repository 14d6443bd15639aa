"""Transformations of trained models and terms of training: plan, apply, report; one method a file."""

from hwqnn.compress import (  # noqa: F401  (they register their methods)
    bayesian,
    budget,
    channels,
    codebook,
    damage,
    digits,
    dropout,
    factored,
    formats,
    magnitude,
    spikes,
    storage,
    surgeon,
)
from hwqnn.compress.decay import BitWidthDecay
from hwqnn.compress.ensemble import Ensemble
from hwqnn.compress.fisher import fisher
from hwqnn.compress.method import METHODS, Batches, Learned, Method, Term, make, register
from hwqnn.compress.pipeline import Compressed, Learning, run
from hwqnn.compress.report import Count, Report

__all__ = [
    "METHODS", "Batches", "BitWidthDecay", "Compressed", "Count", "Ensemble", "Learned", "Learning", "Method", "Report", "Term", "fisher", "make",
    "register", "run",
]  # fmt: skip
