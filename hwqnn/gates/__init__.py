"""Netlists of 7-series primitives, built gate by gate: what a mapper does not find by itself."""

import hwqnn.dataflow.design  # noqa: F401  (the dataflow room imports this one: whoever comes here first must let it load first)
