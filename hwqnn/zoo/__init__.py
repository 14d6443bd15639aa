"""Built-in models, written with Brevitas as a user would write them, with trained weights."""

from hwqnn.zoo.models import MODELS, ZooModel, load

__all__ = ["MODELS", "ZooModel", "load"]
