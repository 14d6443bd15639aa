"""Ensembles: votes and their ties, training by hand-computed weights, and from modules to RTL, every bit."""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from network_checks import Case, accelerator, check_reference, check_rtl
from networks import Network
from small_models import Mixed, trained_looking
from torch import Tensor, nn

import hwqnn
from hwqnn import synth
from hwqnn.accelerator import Port
from hwqnn.compress.ensemble import Ensemble, Plan, bag, boost, integer_weights, labels, samme
from hwqnn.data import Dataset
from hwqnn.dataflow.design import Beat, Design, Node, Source
from hwqnn.dataflow.vote import VoteBlock
from hwqnn.emit import emit
from hwqnn.errors import CheckError, InputError, UnsupportedError
from hwqnn.frontend import import_brevitas
from hwqnn.gates.delay import budget_ns
from hwqnn.ir import Add, ArgMax, Threshold, Vote, smallest
from hwqnn.passes import Head, lower
from hwqnn.zoo.mlp import BinaryMlp


class Fixed(nn.Module):
    """A member that always says the same scores."""

    def __init__(self, *scores: float) -> None:
        super().__init__()
        self.scores = torch.tensor([scores])

    def forward(self, x: Tensor) -> Tensor:
        return self.scores.expand(len(x), -1).clone()


def winner(*scores: Sequence[float], weights: Sequence[int] | None = None, vote: str = "hard") -> tuple[list[float], int]:
    """What each class got, and who won."""
    out = Ensemble([Fixed(*s) for s in scores], weights, vote)(torch.zeros(1, 4))
    return out[0].tolist(), int(out.argmax(1))


def test_hard_votes() -> None:
    assert winner((0, 9, 0), (0, 0, 1), (0, 0, 1)) == ([0, 1, 2], 2)
    assert winner((0, 9, 0), (0, 0, 1), (0, 0, 1), weights=[5, 2, 2]) == ([0, 5, 4], 1)


def test_ties_go_to_the_lowest_index() -> None:
    """Of a member's scores and of the votes."""
    assert winner((1, 3, 3)) == ([0, 1, 0], 1)
    assert winner((0, 0, 1), (0, 1, 0)) == ([0, 1, 1], 1)
    assert winner((0, 0, 1), (1, 0, 0), (0, 1, 0), weights=[3, 1, 2]) == ([1, 2, 3], 2)
    assert winner((0, 0, 1), (1, 0, 0), (0, 1, 0), weights=[3, 3, 2]) == ([3, 2, 3], 0)


def test_soft_votes() -> None:
    assert winner((1, 5, 2), (3, -2, 4), vote="soft") == ([4, 3, 6], 2)
    assert winner((1, 5, 2), (3, -2, 4), weights=[3, 1], vote="soft") == ([6, 13, 10], 1)


def test_the_first_members() -> None:
    ensemble = Ensemble([Fixed(1, 0), Fixed(0, 1), Fixed(0, 1)], [6, 3, 2], "hard").first(2)
    assert ensemble.vote.weights.tolist() == [2, 1] and len(ensemble.members) == 2


@pytest.mark.parametrize(
    ("members", "weights", "vote", "message"),
    [
        (0, None, "hard", "0 members"),
        (2, [1], "hard", "1 weights for 2 members"),
        (2, [1, 0], "hard", r"weights \[1, 0\] of a vote: they must be integers above 0"),
        (1, [1.5], "soft", "integers above 0"),
        (1, None, "median", "vote 'median': expected hard or soft"),
    ],
)
def test_bad_ensembles(members: int, weights: list[int] | None, vote: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Ensemble([Fixed(1, 0)] * members, weights, vote)


@pytest.mark.parametrize(
    ("arguments", "message"), [({"members": 0}, "at least one"), ({"members": 1, "weight_bits": 17}, "17 bits: expected 1 to 16")]
)
def test_bad_plans(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Plan(**arguments)


def test_votes_of_samme() -> None:
    """log((1 - e) / e) + log(K - 1): 0 at chance, and of two classes AdaBoost's own."""
    assert samme(0.9, 10, 100) == pytest.approx(0)
    assert samme(0.25, 2, 100) == pytest.approx(math.log(3))
    assert samme(0.1, 10, 100) == pytest.approx(math.log(81))
    assert samme(0.0, 2, 100) == pytest.approx(math.log(199))  # as half an image of 100


def test_integer_weights() -> None:
    assert integer_weights([2.0, 2.0, 2.0], 4) == [1, 1, 1]
    assert integer_weights([4.5, 3.0, 1.5], 4) == [3, 2, 1]  # 15, 10, 5
    assert integer_weights([4.5, 2.9, 0.01], 4) == [15, 10, 1]
    assert integer_weights([4.5, 2.9, 0.01], 1) == [1, 1, 1]


def learnable(images: int = 60) -> Dataset:
    """Images of 2 x 2, whose first pixel is the class and whose second and third are their number."""
    y, number = np.arange(images) % 3, np.arange(images)
    x = np.stack([y, number % 256, number // 256, y * 0], axis=1).reshape(-1, 2, 2)
    return Dataset("learnable", x.astype(np.uint8), y.astype(np.int64), Fraction(1))


class Blind(nn.Module):
    """Tells the classes but those that it does not know, which it calls 0."""

    def __init__(self, *known: int) -> None:
        super().__init__()
        self.known = known
        self.seen: Dataset | None = None

    def forward(self, x: Tensor) -> Tensor:
        right = x.flatten(1)[:, 0]
        said = torch.where(torch.isin(right, torch.tensor([float(k) for k in self.known])), right, 0.0)
        return nn.functional.one_hot(said.long(), 3).float()


def remember(model: nn.Module, data: Dataset, member: int) -> nn.Module:
    model.seen = data
    return model.eval()


def test_bagging() -> None:
    """Each member sees its own draw of as many images, with their labels, about 63 % of them; the same seed draws the same."""
    data = learnable(600)
    runs = [bag(lambda number: Blind(number), remember, data, Plan(3, seed=seed)) for seed in (0, 0, 1)]
    drawn = [[member.seen.x[:, 0, 1].tolist() for member in run.members] for run in runs]
    assert drawn[0] == drawn[1] != drawn[2]
    assert len({tuple(d) for d in drawn[0]}) == 3
    assert runs[0].vote.weights.tolist() == [1, 1, 1] and [member.known for member in runs[0].members] == [(0,), (1,), (2,)]
    for member in runs[0].members:
        assert len(member.seen) == 600 and (member.seen.x[:, 0, 0] == member.seen.y).all()
        assert len(np.unique(member.seen.x, axis=0)) / 600 == pytest.approx(1 - math.exp(-1), abs=0.05)


def test_boosting_by_hand() -> None:
    """The first member gets class 2 wrong: e = 1/3, its vote is log 2 + log 2, those images weigh 4 times as much: together 4/6 of all.

    The second gets class 1 wrong: e = 1/6, its vote is log 5 + log 2. In 3 bits: 7 * log 4 / log 10 = 4.2.
    """
    made = iter([Blind(0, 1), Blind(0, 2)])
    data = learnable(3000)
    ensemble = boost(lambda number: next(made), remember, data, Plan(2, weight_bits=3))
    assert ensemble.vote.weights.tolist() == [4, 7]
    first, second = (np.bincount(member.seen.y) / len(data) for member in ensemble.members)
    assert first == pytest.approx([1 / 3] * 3, abs=0.03)
    assert second == pytest.approx([1 / 6, 1 / 6, 4 / 6], abs=0.03)
    assert labels(ensemble, data).tolist() == [[0, 0, 2][y] for y in data.y]


class Wrong(Blind):
    """Takes every class for the next one."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot((x.flatten(1)[:, 0].long() + 1) % 3, 3).float()


def test_boosting_a_member_without_a_clue() -> None:
    made = iter([Blind(0, 1), Wrong()])
    with pytest.raises(CheckError, match="member 2 of 4 is no better than chance"):
        boost(lambda number: next(made), remember, learnable(), Plan(4))


def test_sequential_members_start_from_the_one_before() -> None:
    def step(model: nn.Module, data: Dataset, member: int) -> nn.Module:
        model.age += 1
        return model

    def new(number: int) -> nn.Module:
        model = Blind(0, 1, 2)
        model.age = 0
        return model

    for make in (bag, boost):
        assert [m.age for m in make(new, step, learnable(), Plan(3, sequential=True)).members] == [1, 2, 3]
        assert [m.age for m in make(new, step, learnable(), Plan(3)).members] == [1, 1, 1]


def random_member(rng: random.Random) -> nn.Module:
    """16 features to 3 classes: binary, of any depth, or of more bits, with scales that differ by class."""
    if rng.random() < 0.25:
        return trained_looking(Mixed())
    return trained_looking(BinaryMlp(16, *(rng.choice((4, 8, 9)) for _ in range(rng.randrange(3))), 3))


def random_ensemble(seed: int) -> Ensemble:
    torch.manual_seed(seed)
    rng = random.Random(seed)
    count = rng.choice((1, 2, 3, 4, 5))
    return Ensemble([random_member(rng) for _ in range(count)], rng.choice((None, [rng.randint(1, 9) for _ in range(count)]))).eval()


def network_of(model: nn.Module, images: np.ndarray, folding: int, head: Head = Head.LABEL) -> Network:
    imported = import_brevitas(model, torch.rand(1, 16), name="ensemble", input_scale=Fraction(1, 255))
    return Network(imported, head, 1, Port.RAW, folding, images.reshape(len(images), -1).astype(np.int64))


def software(model: nn.Module, images: np.ndarray) -> Tensor:
    with torch.no_grad():
        return model(torch.from_numpy(images).flatten(1).float() / 255)


def test_random_ensembles(images: np.ndarray, tmp_path: Path) -> None:
    """torch = exact reals = reference, for many; and = RTL in every bit and cycle, with pauses and without, for some at random foldings."""
    cases = []
    for seed in range(12):
        model, some = random_ensemble(seed), images[seed * 8 : seed * 8 + 8]
        network = network_of(model, some, folding=seed, head=Head.SCORES if seed % 4 == 3 else Head.LABEL)
        graph = check_reference(network)
        made = accelerator(network, graph)
        out = software(model, some)
        assert made.executor.run(network.images).tolist() == (out.int().tolist() if seed % 4 == 3 else out.argmax(1, keepdim=True).tolist())
        cases.append(Case(network, made))
    assert {len(graph.op("vote").weight) for case in cases for graph in [case.made.graph]} == {1, 2, 3, 4, 5}
    assert check_rtl(cases[:4], tmp_path / "rtl", tmp_path / "runtime") == [None] * 4


def three_depths() -> Ensemble:
    torch.manual_seed(1)
    return Ensemble([trained_looking(BinaryMlp(16, *hidden, 4)) for hidden in ([], [12, 8, 8], [4])], [2, 2, 3]).eval()


def test_unequal_members(images: np.ndarray) -> None:
    """A slow and deep member beside quick ones: FIFOs hold what waits, and nothing locks."""
    model = three_depths()
    expected = software(model, images).argmax(1).tolist()
    assert len(set(expected)) > 2
    acc = hwqnn.compile(model, torch.rand(1, 16), fps=2e6)
    assert acc.predict(images).tolist() == expected
    with tempfile.TemporaryDirectory() as folder:
        emitted = acc.write(folder)
        for pause_seed in (0, 1):
            ran = acc.simulate(images, emitted=emitted, jobs=1, pause_seed=pause_seed)
            assert ran.outputs.tolist() == expected and ran.comparison.mismatches == 0 and (pause_seed or ran.as_predicted)


def test_the_input_is_quantized_once() -> None:
    """The members' equal input quantizers are one, and bits are forked, not pixels."""
    graph = lower(network_of(three_depths(), np.zeros((1, 16)), folding=0).imported)
    binary = [op for op in graph.ops if isinstance(op, Threshold) and op.inputs == ("@input",)]
    assert len(binary) == 1 and len(graph.consumers(binary[0].name)) == len(graph.consumers("@input")) + 2 == 3


def test_soft_vote_is_a_sum(images: np.ndarray) -> None:
    """Of ops that there are; and the member of the wrong scale is refused."""
    torch.manual_seed(2)
    model = Ensemble([trained_looking(BinaryMlp(16, width, 4)) for width in (8, 12, 8)], [1, 2, 1], "soft").eval()
    network = network_of(model, images[:8], folding=3)
    graph = check_reference(network)
    assert [type(op) for op in graph.ops if isinstance(op, Add | ArgMax | Vote)] == [Add, Add, ArgMax]
    assert accelerator(network, graph).executor.run(network.images)[:, 0].tolist() == software(model, images[:8]).argmax(1).tolist()
    with pytest.raises(UnsupportedError, match="no common integer scale"):
        network_of(Ensemble([BinaryMlp(16, 3), Mixed()], vote="soft").eval(), images[:8], folding=0)


def test_members_that_cannot_vote() -> None:
    def lowered(*members: nn.Module) -> None:
        lower(network_of(Ensemble(members).eval(), np.zeros((1, 16)), folding=0).imported)

    with pytest.raises(UnsupportedError, match=r"layer 'vote' \(HardVote\): its members tell 4 and 3 classes apart"):
        lowered(BinaryMlp(16, 4), BinaryMlp(16, 3))
    with pytest.raises(UnsupportedError, match=r"layer 'vote' \(HardVote\): the scores of 1 of its 2 members do not come from the input"):
        lowered(BinaryMlp(16, 3), Fixed(1, 2, 3))
    with pytest.raises(UnsupportedError, match="are no whole vector"):
        lowered(nn.Sequential(BinaryMlp(16, 4), Halves()))
    with pytest.raises(UnsupportedError, match=r"after 'members\.0\.0\.output' ends in an unquantized clamp"):
        lowered(nn.Sequential(BinaryMlp(16, 4), nn.ReLU()))


class Halves(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.chunk(2, 1)[1]


@pytest.mark.parametrize(("weight", "classes", "pe"), [((1, 1, 1), 10, 1), ((15, 9, 8, 8, 7, 7, 6, 5), 10, 1), ((1,) * 8, 10, 10)])
def test_cost_of_the_vote(weight: tuple[int, ...], classes: int, pe: int, tmp_path: Path) -> None:
    """The estimate, which the folding goes by, against yosys."""
    beats = Beat(len(weight), smallest(0, classes - 1)), Beat(pe, smallest(0, sum(weight)))
    block = VoteBlock(beat_in=beats[0], beat_out=beats[1], weight=np.array(weight), classes=classes, budget_ns=budget_ns(100))
    (node,) = emit(Design("d", (Node("v.vote", "v", block, "v", (Source(None),)),), 100.0), tmp_path).nodes
    cells = synth.synthesize([synth.Unit("v", node.module, node.sources, tmp_path, node.memories)], jobs=1, timeout_s=300)["v"]
    estimate = block.estimate
    assert estimate.lut == pytest.approx(cells.lut, rel=0.15)
    assert cells.ff == estimate.ff
    assert cells.carry4 == estimate.carry4 and cells.bram36 == cells.dsp == 0
