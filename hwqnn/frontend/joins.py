"""Where two tensors that both come from the input meet: sums and concatenations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hwqnn.frontend.maps import TERM_BITS, affine_op, as_map, by_channel, common_step, map_index, one_or_all
from hwqnn.frontend.symbolic import GraphBuilder, Place, Symbol, as_line, as_objects, parameters, shape_text, with_parameters
from hwqnn.ir import Add, Affine, Clamp, Concat, Edge, Piece, exact


def add(builder: GraphBuilder, place: Place, name: str, a: Symbol, b: Symbol) -> Symbol:
    """a + b. Where their scales differ, each is first multiplied by an integer, channel by channel.

    Raises:
        UnsupportedError: shapes or orders differ, or the operands have no common integer scale.
    """
    a, b = same_order(builder, place, a, b)
    (scale, offset), (its_scale, its_offset) = (as_line(x, place) for x in (a, b))
    if a.producer == b.producer:
        return replace(a, chain=()).affine(scale + its_scale, offset + its_offset)
    channels = a.edge.channels
    rows = np.stack([by_channel(scale, channels), by_channel(its_scale, channels)])
    steps = as_objects(common_step(list(column)) for column in rows.T)
    what, zeros = "the scales of the two tensors that it adds", exact([0] * channels)
    first, second = (
        affine_op(builder, replace(x, chain=()), row / steps, zeros, place, what, TERM_BITS) for x, row in zip((a, b), rows, strict=True)
    )
    op = Add(name=builder.fresh(name), inputs=(first.producer, second.producer))
    return builder.add(op, a.index, str(place)).affine(one_or_all(steps), offset + its_offset)


def same_order(builder: GraphBuilder, place: Place, a: Symbol, b: Symbol) -> tuple[Symbol, Symbol]:
    """Both on edges of one shape. Raises `UnsupportedError` when their elements lie in different orders."""
    if a.shape != b.shape:
        raise place.fail(f"it joins tensors of shapes {shape_text(a)} and {shape_text(b)}; only equal shapes are supported")
    if not np.array_equal(a.index, b.index) or np.prod(a.edge.shape) != np.prod(b.edge.shape):
        raise place.fail(f"its operands, after {a.last} and {b.last}, lie in different orders (one of them is permuted, split or flattened)")
    if len(a.edge.shape) >= len(b.edge.shape):
        return a, builder.reshape(b, a.edge.shape, place)
    return builder.reshape(a, b.edge.shape, place), b


def concat(builder: GraphBuilder, place: Place, name: str, a: Symbol, b: Symbol) -> Symbol:
    """The channels of `a`, then those of `b`: the first axis of a sample. Scales may differ: the chain goes on by channel.

    Raises:
        UnsupportedError: an operand lies in an order that the op cannot read, or their chains are not of one kind.
    """
    if a.index.ndim > 1:
        (a, order), (b, its_order) = as_map(builder, a, place), as_map(builder, b, place)
    else:
        (a, b), order, its_order = (builder.flat(x, place) for x in (a, b)), a.index, b.index
    chain = joined(a, b, place)
    out = replace(builder.add(Concat(name=builder.fresh(name), inputs=(a.producer, b.producer)), last=str(place)), chain=chain)
    channels = np.concatenate([order, a.edge.channels + its_order])
    return out.moved(map_index(out.edge.shape, channels, a) if a.index.ndim > 1 else channels)


def joined(a: Symbol, b: Symbol, place: Place) -> tuple[Piece, ...]:
    """The chains of both, by the channels of one edge."""
    if any(not isinstance(piece, Affine) for piece in (*a.chain, *b.chain)):
        kinds = [[(p.lo, p.hi) if isinstance(p, Clamp) else type(p) for p in x.chain] for x in (a, b)]
        if kinds[0] != kinds[1]:
            raise place.fail(
                f"its operands are real-valued in different ways, after {a.last} and {b.last}; put a quantizer (QuantIdentity, QuantReLU) on each"
            )
        return tuple(side_by_side(p, q, a.edge, b.edge) for p, q in zip(a.chain, b.chain, strict=True))
    lines = [Affine(*as_line(x, place)) for x in (a, b)]
    return (side_by_side(lines[0], lines[1], a.edge, b.edge),)


def side_by_side(p: Piece, q: Piece, a: Edge, b: Edge) -> Piece:
    its = parameters(q)
    return with_parameters(
        p, {name: one_or_all(np.concatenate([by_channel(v, a.channels), by_channel(its[name], b.channels)])) for name, v in parameters(p).items()}
    )
