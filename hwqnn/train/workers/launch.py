"""A training shared out to several processes, each with its part of every batch; they exchange gradients after every step."""

from __future__ import annotations

import pickle
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from torch import nn
from torch.multiprocessing import ProcessRaisedException, spawn
from torch.nn.parallel import DistributedDataParallel

from hwqnn.data import Dataset
from hwqnn.errors import HwqnnError, InputError
from hwqnn.train import checkpoint as checkpoints
from hwqnn.train import loop
from hwqnn.train.images import Images
from hwqnn.train.settings import Settings
from hwqnn.train.workers import codecs
from hwqnn.train.workers.exchange import Exchange, average

if TYPE_CHECKING:
    from hwqnn.compress.method import Term

MOST = 64
_POLL = 0.2
"""Seconds between looks at what the workers say."""


@dataclass(frozen=True)
class Workers:
    """Who trains.

    Attributes:
        count: processes on this machine, 1 to 64.
        gradients: what they send, a word of `codecs.CODECS`; `options` are those of its codec.
    Raises:
        InputError: a value is impossible, or a word unknown.
    """

    count: int = 2
    gradients: str = "dense"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 1 <= self.count <= MOST:
            raise InputError(f"count = {self.count}: 1 to {MOST} workers")
        codecs.make(self.gradients, self.options)


@dataclass(frozen=True, eq=False)
class Shared:
    """What several workers trained.

    Attributes:
        fitted: as of `loop.fit`. Loss and accuracy of an epoch's training are those of the first worker's images.
        sent: bytes that left a worker in all steps, `steps` of them.
        dense: bytes that would have left it as plain floats.
    """

    fitted: loop.Fitted
    sent: int
    dense: int
    steps: int

    @property
    def share(self) -> float:
        """Percent of the bytes that plain floats take; 0 for a worker alone, who sends none."""
        return 100.0 * self.sent / self.dense if self.dense else 0.0


@dataclass(frozen=True, eq=False)
class Part(Images):
    """Every `count`-th image of each batch, from the `rank`-th. All workers draw an augmentation for the whole batch, as one worker would."""

    rank: int
    count: int

    def take(self, index: torch.Tensor, change: Callable[[torch.Tensor], torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        mine = slice(self.rank, None, self.count)
        return self.real(change(self.x[index])[mine]), self.y[index][mine]


def fit(
    make: Callable[[], nn.Module],
    train: Dataset,
    test: Dataset,
    settings: Settings,
    workers: Workers,
    *,
    input_scale: Fraction | None = None,
    terms: Sequence[Term] = (),
    checkpoint: Path | None = None,
    progress: loop.Progress | None = None,
) -> Shared:
    """Trains a model in `workers.count` processes, started anew (spawn) and joined by gloo; the result is the same whenever it is run.

    Args:
        make: gives the model to train, the same in every process; it must be picklable, such as a function of a module.
        settings: `batch` is that of all workers together: each gets an equal part of it, and normalizes with that part alone.
        checkpoint: as of `loop.fit`; what each worker has not sent yet lies beside it, in a file of its own.
        train, test, input_scale, terms, progress: as of `loop.fit`; `terms` must be picklable.
    Raises:
        InputError: the batch cannot be shared out; and as `loop.fit`.
        CheckError: as `loop.fit`.
    """
    if settings.batch % workers.count or settings.batch // workers.count < 2:
        raise InputError(f"batch = {settings.batch}: each of {workers.count} workers takes an equal part, of at least 2 images")
    if (settings.images is not None and settings.images < settings.batch) or len(train) < settings.batch:
        raise InputError(f"batch = {settings.batch}, but there are only {min(settings.images or len(train), len(train))} training images")
    with tempfile.TemporaryDirectory(prefix="hwqnn-workers-") as folder:
        job = _Job(make, train, test, settings, workers, input_scale, tuple(terms), checkpoint, Path(folder))
        epochs = torch.multiprocessing.get_context("spawn").SimpleQueue()
        running = spawn(_work, (job, epochs), nprocs=workers.count, join=False)
        try:
            while not running.join(_POLL):
                _tell(epochs, progress)
            _tell(epochs, progress)
        except ProcessRaisedException as error:
            for path in Path(folder).glob("error-*"):
                raise pickle.loads(path.read_bytes()) from error
            raise
        finally:
            for process in running.processes:
                process.kill()  # if it still runs: the user has interrupted
                process.join()
        done = torch.load(job.result, weights_only=True)
    model = make()
    model.load_state_dict(done["model"])
    history = tuple(loop.Epoch(**epoch) for epoch in done["history"])
    return Shared(loop.Fitted(model.eval(), history, history[-1].test_accuracy), done["sent"], done["dense"], done["steps"])


@dataclass(frozen=True, eq=False)
class _Job:
    """What every worker is told."""

    make: Callable[[], nn.Module]
    train: Dataset
    test: Dataset
    settings: Settings
    workers: Workers
    input_scale: Fraction | None
    terms: tuple[Term, ...]
    checkpoint: Path | None
    folder: Path

    @property
    def result(self) -> Path:
        return self.folder / "result.pt"

    def unsent(self, rank: int, epochs: int) -> Path:
        """What a worker keeps beside the checkpoint behind so many epochs."""
        assert self.checkpoint is not None
        return self.checkpoint.with_name(f"{self.checkpoint.name}.worker-{rank}-of-{self.workers.count}-{epochs}")


def _work(rank: int, job: _Job, epochs: Any) -> None:
    try:
        dist.init_process_group("gloo", init_method=f"file://{job.folder}/meeting", rank=rank, world_size=job.workers.count)
        with loop._repeatable(job.settings.threads):
            _train(rank, job, epochs)
    except HwqnnError as error:
        (job.folder / f"error-{rank}").write_bytes(pickle.dumps(error))
        raise
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _train(rank: int, job: _Job, epochs: Any) -> None:
    settings, checkpoint, model = job.settings, job.checkpoint, job.make()
    images = Images.of(job.train, settings.images, job.input_scale)
    part = Part(images.x, images.y, images.scale, rank, job.workers.count)
    tests = Images.of(job.test, scale=job.input_scale)
    history: list[loop.Epoch] = []
    if checkpoint is not None and checkpoint.exists():
        optimizer, finished = checkpoints.load(checkpoint, model, settings)
        history = [loop.Epoch(**epoch) for epoch in finished]
    else:
        optimizer = settings.make_optimizer(model)
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    exchange = Exchange(codecs.make(job.workers.gradients, job.workers.options), learning, settings.seed)
    if history:
        exchange.load(job.unsent(rank, len(history)))
    with warnings.catch_warnings():  # torch 2.13 deprecates an argument whose successor torch 2.8 does not know
        warnings.simplefilter("ignore", FutureWarning)
        shared = DistributedDataParallel(model, broadcast_buffers=False)
    shared.register_comm_hook(exchange, average)
    for number in range(len(history), settings.epochs):
        start = time.perf_counter()
        torch.manual_seed(settings.seed * loop._EPOCHS + number)
        exchange.reseed(number)
        for term in job.terms:
            term.step(model, number, settings.epochs)
        loss, right = loop._train(shared, part, optimizer, settings, job.terms, number, checkpoint)
        loop._check_weights(model, number, checkpoint)
        accuracy = loop.evaluate(model, tests) if rank == 0 else 0.0
        history.append(loop.Epoch(number + 1, loss, right * job.workers.count, accuracy, time.perf_counter() - start))
        if checkpoint is not None:
            _keep(rank, job, model, optimizer, exchange, history)
        if rank == 0:
            epochs.put((asdict(history[-1]), settings.epochs))
    if rank == 0:
        steps = settings.epochs * (len(images) // settings.batch)
        dense = 4 * sum(parameter.numel() for parameter in learning) * (job.workers.count - 1) * steps
        state = {"model": model.state_dict(), "history": [asdict(epoch) for epoch in history], "sent": exchange.sent, "dense": dense, "steps": steps}
        torch.save(state, job.result)


def _keep(rank: int, job: _Job, model: nn.Module, optimizer: torch.optim.Optimizer, exchange: Exchange, history: Sequence[loop.Epoch]) -> None:
    """Every worker's own state first, then the checkpoint that needs them all; what is older goes last, so that something whole is always there."""
    assert job.checkpoint is not None
    exchange.save(job.unsent(rank, len(history)))
    dist.barrier()
    if rank == 0:
        checkpoints.save(job.checkpoint, model, optimizer, job.settings, history)
    dist.barrier()
    job.unsent(rank, len(history) - 1).unlink(missing_ok=True)


def _tell(epochs: Any, progress: loop.Progress | None) -> None:
    """Passes on what the first worker has said."""
    while not epochs.empty():
        fields, all_epochs = epochs.get()
        epoch = loop.Epoch(**fields)
        if progress is not None:
            progress(epoch, (all_epochs - epoch.epoch) * epoch.seconds)
