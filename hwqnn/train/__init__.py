"""Training: recipes, the networks that they ask for, the loop, its checkpoints, and the report of a run."""

from hwqnn.train.images import Images
from hwqnn.train.loop import Epoch, Fitted, evaluate, fit
from hwqnn.train.network import Cnn, Mlp, Quantizer
from hwqnn.train.recipe import Recipe
from hwqnn.train.run import Run, load, run
from hwqnn.train.settings import Settings

__all__ = ["Cnn", "Epoch", "Fitted", "Images", "Mlp", "Quantizer", "Recipe", "Run", "Settings", "evaluate", "fit", "load", "run"]
