"""Integers with a learned scale."""

from __future__ import annotations

from brevitas.inject import this
from brevitas.inject.enum import BitWidthImplType, ScalingImplType
from brevitas.quant import Int8WeightPerChannelFloat

from hwqnn.quant.registry import weights


@weights("integer", bits=range(2, 9), paper="Esser et al. 2020 (LSQ), eq. 1 to 3", per_channel=bool)
class IntegerWeight(Int8WeightPerChannelFloat):
    """round(w / s) clamped to +-(2^(k-1) - 1), times s; s starts at the greatest |w| over 2^(k-1) - 1 and is learned (Brevitas' own quantizer).

    Attributes:
        per_channel: a scale for each output channel, or one for all.
    """

    scaling_impl_type = ScalingImplType.PARAMETER_FROM_STATS
    bit_width_impl_type = BitWidthImplType.STATEFUL_CONST
    scaling_per_output_channel = this.per_channel
    per_channel = True
