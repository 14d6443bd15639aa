"""Transformations of trained models and terms of training: plan, apply, report; one method a file."""

from hwqnn.compress import budget, codebook, digits, formats  # noqa: F401  (they register their methods)
from hwqnn.compress.decay import BitWidthDecay
from hwqnn.compress.ensemble import Ensemble
from hwqnn.compress.fisher import fisher
from hwqnn.compress.method import METHODS, Batches, Method, Term, make, register
from hwqnn.compress.pipeline import Compressed, run
from hwqnn.compress.report import Count, Report

__all__ = ["METHODS", "BitWidthDecay", "Batches", "Compressed", "Count", "Ensemble", "Method", "Report", "Term", "fisher", "make", "register", "run"]
