"""The communication hook: each worker's message of a bucket of gradients goes to all others, and all average what they decode."""

# Annotations are not postponed here: DistributedDataParallel wants to see the types of a hook's arguments.

from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from hwqnn.errors import InputError
from hwqnn.train.workers.codecs import Codec, Memory, codec_of


class Exchange:
    """Of one worker: the state of the hook `average`.

    Attributes:
        sent: bytes that left this worker: its messages, times the other workers.
        memories: of each parameter, in the model's order.
    """

    def __init__(self, codec: Codec, parameters: list[Tensor], seed: int) -> None:
        self.codec = codec
        self.order = {id(parameter): number for number, parameter in enumerate(parameters)}
        self.memories = [Memory(torch.Generator()) for _ in parameters]
        self.sent, self.seed = 0, seed

    def reseed(self, epoch: int) -> None:
        """Draws of an epoch depend on its number, the worker and the parameter alone."""
        for number, memory in enumerate(self.memories):
            memory.random.manual_seed(int(np.random.SeedSequence((self.seed, epoch, dist.get_rank(), number)).generate_state(1)[0]))

    def save(self, path: Path) -> None:
        """Writes what was not sent yet, and how much was."""
        torch.save({"residuals": [memory.residual for memory in self.memories], "sent": self.sent}, path)

    def load(self, path: Path) -> None:
        """Goes on from what `save` wrote.

        Raises:
            InputError: it is not there.
        """
        if not path.exists():
            raise InputError(f"{path} is missing: the checkpoint is of other workers; remove it, or train with as many as it was")
        state = torch.load(path, weights_only=True)
        self.sent = state["sent"]
        for memory, residual in zip(self.memories, state["residuals"], strict=True):
            memory.residual = residual

    def gather(self, mine: Tensor) -> list[Tensor]:
        """The messages of all workers, this one's own among them; all are as long."""
        everyone = [torch.empty_like(mine) for _ in range(dist.get_world_size())]
        dist.all_gather(everyone, mine)
        self.sent += len(mine) * (len(everyone) - 1)
        return everyone


def average(exchange: Exchange, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:
    """What `DistributedDataParallel.register_comm_hook` takes. Every worker sums in the same order, so all get the same bits."""
    gradients = [gradient.flatten() for gradient in bucket.gradients()]
    codecs = [codec_of(exchange.codec, len(gradient)) for gradient in gradients]
    memories = [exchange.memories[exchange.order[id(parameter)]] for parameter in bucket.parameters()]
    messages = [codec.encode(gradient, memory) for codec, gradient, memory in zip(codecs, gradients, memories, strict=True)]
    everyone = exchange.gather(torch.cat(messages))
    parts = zip(*(torch.split(message, [len(message) for message in messages]) for message in everyone), strict=True)
    means = [
        torch.stack([codec.decode(part, len(gradient)) for part in of]).mean(0) for codec, gradient, of in zip(codecs, gradients, parts, strict=True)
    ]
    done: torch.futures.Future[torch.Tensor] = torch.futures.Future()
    done.set_result(torch.cat(means))
    return done
