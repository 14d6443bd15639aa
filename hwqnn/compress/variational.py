"""Layers whose weights are normal distributions, learned with the local reparameterization: what the variational methods share.

The loss of a training is the evidence lower bound, turned round and divided by the images: mean cross-entropy + KL(posterior || prior) / images
(Kingma, Salimans and Welling 2015, "Variational dropout and the local reparameterization trick", eq. 1 to 3).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hwqnn.compress.layers import prunable, prune, requantize
from hwqnn.errors import InputError

K1, K2, K3 = 0.63576, 1.87320, 1.48695
"""Of the approximation of the divergence (Molchanov et al. 2017, eq. 14)."""
LOG_ALPHA_CLIP = 8.0
"""log alpha counts within ± this: beyond, its divergence no longer changes, and its gradient is only noise."""
_LEAST_SQUARE, _LEAST_VARIANCE = 1e-12, 1e-12
"""Added where a logarithm or a root would have no derivative at 0."""


def log_uniform_divergence(log_alpha: Tensor) -> Tensor:
    """KL(N(w, alpha w^2) || p(|w|) ~ 1/|w|), element by element: Molchanov, Ashukha and Vetrov 2017, "Variational dropout sparsifies deep neural
    networks", eq. 14, with the constant at which it goes to 0 for alpha to infinity.

    Args:
        log_alpha: float, any shape.
    Returns:
        nats, in the same shape.
    """
    return K1 * torch.sigmoid(-K2 - K3 * log_alpha) + 0.5 * functional.softplus(-log_alpha)


def log_alpha(mean: Tensor, log_variance: Tensor) -> Tensor:
    """log(sigma^2 / w^2), clipped to ±8; all of one shape."""
    return (log_variance - torch.log(mean.square() + _LEAST_SQUARE)).clamp(-LOG_ALPHA_CLIP, LOG_ALPHA_CLIP)


class Stochastic(nn.Module):
    """A layer whose weights are independent and normal: means and variances are learned, each for itself (the additive parameterization, Molchanov
    et al. 2017, eq. 10 and 11).

    In training, each output is drawn from its own normal distribution (eq. 12, the local reparameterization): its mean is the layer of the means,
    its variance the layer of the variances with squared inputs. In eval mode the weights are `certain()`, so scores have no noise.

    Args:
        layer: a layer of `hwqnn.compress.layers`; it is kept, and given back by `settled`. Its weights are the first means, its zeros that `prune`
            holds stay out. Its bias is learned as it is.
        start: the first logarithm of every variance.
    """

    def __init__(self, layer: Any, start: float) -> None:
        super().__init__()
        self._layer = (layer,)  # in a tuple, so that it is no submodule: its quantizer is not trained meanwhile, nor in the checkpoint
        self.bias = layer.bias
        self.mean = nn.Parameter(layer.weight.detach().clone())
        self.log_variance = nn.Parameter(torch.full_like(self.mean, start))

    @property
    def layer(self) -> Any:
        """The ordinary layer."""
        return self._layer[0]

    def certain(self) -> Tensor:
        """The weights that would be left, without noise, in the shape of the layer's weight."""
        raise NotImplementedError

    def divergence(self) -> Tensor:
        """KL(posterior || prior) of all weights: a scalar, in nats."""
        raise NotImplementedError

    def log_alpha(self) -> Tensor:
        """log(sigma^2 / w^2) of each weight."""
        return log_alpha(self.mean, self.log_variance)

    def held(self, of_weights: Tensor) -> Tensor:
        """`of_weights` with 0 for the weights that were pruned before."""
        kept = getattr(self.layer, "kept", None)
        return of_weights if kept is None else of_weights * kept

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return self.layer.inner_forward_impl(x, self.certain(), self.bias)
        mean = self.layer.inner_forward_impl(x, self.held(self.mean), self.bias)
        variance = self.layer.inner_forward_impl(x.square(), self.held(self.log_variance.exp()), None)
        return mean + (variance + _LEAST_VARIANCE).sqrt() * torch.randn_like(mean)


_Kind = TypeVar("_Kind", bound=Stochastic)


@dataclass
class Divergence:
    """The training term: KL(posterior || prior) of all stochastic layers over the number of training images.

    It is warmed up (Molchanov et al. 2017, section 4.3, after Sønderby et al. 2016): its weight grows from 0, epoch by epoch, to `weight`.

    Attributes:
        examples: training images. warm_up: the part of the epochs in which the weight grows. weight: 1 for the evidence lower bound.
    """

    examples: int
    warm_up: float
    weight: float
    now: float = 0.0

    def __call__(self, model: nn.Module) -> Tensor:
        return torch.stack([layer.divergence() for layer in model.modules() if isinstance(layer, Stochastic)]).sum() * (self.now / self.examples)

    def step(self, model: nn.Module, epoch: int, epochs: int) -> None:
        self.now = self.weight * min(1.0, epoch / (self.warm_up * epochs)) if self.warm_up else self.weight


def check_training(warm_up: float, weight: float, start: float) -> None:
    """Raises `InputError` unless they can be those of a `Divergence` and of the first variances."""
    if not 0 <= warm_up <= 1:
        raise InputError(f"warm_up = {warm_up:g}: it is a part of the epochs, from 0 to 1")
    if not 0 < weight < float("inf"):
        raise InputError(f"weight = {weight:g}: the divergence needs a weight greater than 0")
    if not -20 <= start <= 0:
        raise InputError(f"start = {start:g}: the first log variance must be from -20 to 0")


def check_threshold(threshold: float) -> None:
    """Raises `InputError` unless some log alpha is greater and some is not."""
    if not -LOG_ALPHA_CLIP < threshold < LOG_ALPHA_CLIP:
        raise InputError(f"threshold = {threshold:g}: log alpha lies between -{LOG_ALPHA_CLIP:g} and {LOG_ALPHA_CLIP:g}")


def stochastic(model: nn.Module, make: Callable[[Any], Stochastic]) -> nn.Module:
    """A copy of the model in train mode, each of its layers with a quantized weight replaced by a stochastic one.

    Raises:
        InputError: as `hwqnn.compress.layers.prunable`.
    """
    names = list(prunable(model))
    learned = copy.deepcopy(model)
    for name in names:
        learned = _replaced(learned, name, make(learned.get_submodule(name)))
    return learned.train()


def posteriors(model: nn.Module, kind: type[_Kind]) -> dict[str, _Kind]:
    """The stochastic layers of this kind, by the names of the layers that they stand for.

    Raises:
        InputError: there is none.
    """
    found = {name: layer for name, layer in model.named_modules() if isinstance(layer, kind)}
    if not found:
        raise InputError(f"{type(model).__name__} has no {kind.__name__} layer: prepare the model and train it first")
    return found


def settled(model: nn.Module, settle: dict[str, Callable[[Any], None]]) -> nn.Module:
    """A copy in eval mode with the ordinary layers again, each changed in place by its function of `settle`."""
    after = copy.deepcopy(model).eval()
    for name, change in settle.items():
        stands_for: Any = after.get_submodule(name)
        change(stands_for.layer)
        after = _replaced(after, name, stands_for.layer)
    return after.eval()


def put(layer: Any, weight: Tensor, keep: Tensor) -> None:
    """Gives an ordinary layer these weights, of which `keep` stay, and its own quantizer anew, whose scale starts from them; in place."""
    requantize(layer, layer.weight_quant.quant_injector, weight * keep)
    prune(layer, keep)


def _replaced(model: nn.Module, name: str, layer: nn.Module) -> nn.Module:
    """The model with another layer at this name, in place; or that layer, where the model is one layer."""
    if not name:
        return layer
    model.set_submodule(name, layer)
    return model
