"""Families by name, and every illegal wish as one clear error."""

from __future__ import annotations

import brevitas.nn as qnn
import pytest
import torch
from torch import nn

from hwqnn import quant
from hwqnn.errors import InputError


def test_the_injector_itself_is_a_weight_quant():
    layer = qnn.QuantLinear(4, 2, bias=False, weight_quant=quant.DorefaWeight, weight_bit_width=3)
    named = qnn.QuantLinear(4, 2, **quant.weight("dorefa", 3))
    named.weight.data.copy_(layer.weight)
    assert torch.equal(layer.quant_weight().value, named.quant_weight().value)
    assert layer.quant_weight().bit_width == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: quant.weight("xnorr"), "no weight quantizer 'xnorr'; did you mean 'xnor'?"),
        (lambda: quant.weight("?"), r"no weight quantizer '\?'; there are .*dorefa.*"),
        (lambda: quant.act("dorefas", 2), "no activation quantizer 'dorefas'; did you mean 'dorefa'?"),
        (lambda: quant.weight("dorefa"), "weight quantizer 'dorefa' needs its bits; it takes 1, 2, 3, 4, 5, 6, 7, 8"),
        (lambda: quant.weight("sign", 2), "weight quantizer 'sign' cannot have 2 bits; it takes 1"),
        (lambda: quant.act("integer", 1), "activation quantizer 'integer' cannot have 1 bits; it takes 2, 3"),
        (lambda: quant.weight("sign", stee="clipped"), "weight quantizer 'sign' has no option 'stee'; did you mean 'ste'?"),
        (lambda: quant.weight("xnor", ste="clipped"), "weight quantizer 'xnor' has no option 'ste'; there is none"),
        (lambda: quant.weight("sign", ste="soft"), "weight quantizer 'sign': ste = 'soft'; it takes 'clipped', 'identity'"),
        (lambda: quant.weight("general", 2, per_channel=1), "weight quantizer 'general': per_channel = 1 is no bool"),
        (lambda: quant.act("relu", 2, maximum="6"), "activation quantizer 'relu': maximum = '6' is no float"),
    ],
)
def test_what_there_is_not(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_every_family_names_its_paper_and_has_legal_bits():
    for family in (*quant.WEIGHTS.values(), *quant.ACTS.values()):
        assert any(year in family.paper for year in map(str, range(1960, 2027))), family.name
        assert family.bits, family.name


def test_a_bit_width_decays_and_is_in_the_checkpoint():
    torch.manual_seed(0)
    layer = qnn.QuantLinear(16, 4, **quant.weight("dorefa", 4)).eval()
    assert len(layer.quant_weight().value.unique()) > 4
    quant.set_bit_width(layer, 2)
    values = layer.quant_weight()
    assert values.bit_width == 2
    assert set((values.value * 3).round().int().unique().tolist()) <= {-3, -1, 1, 3}
    fresh = qnn.QuantLinear(16, 4, **quant.weight("dorefa", 4)).eval()
    fresh.load_state_dict(layer.state_dict())
    assert torch.equal(fresh.quant_weight().value, values.value)
    with pytest.raises(InputError, match="Dorefa cannot change to 9 bits: it takes 1, 2"):
        quant.set_bit_width(layer, 9)
    with pytest.raises(InputError, match="Xnor cannot change to 2 bits: its bit width is fixed; use dorefa"):
        quant.set_bit_width(qnn.QuantLinear(4, 2, **quant.weight("xnor")), 2)


def test_latent_weights_are_clipped_where_the_quantizer_asks():
    model = nn.Sequential(*(qnn.QuantLinear(3, 3, **quant.weight(name, bits)) for name, bits in (("sign", 1), ("dorefa", 1), ("xnor", 1))))
    for layer in model:
        layer.weight.data.fill_(-3.0)
    quant.clip_latent_weights(model)
    assert [layer.weight.unique().tolist() for layer in model] == [[-1.0], [-3.0], [-1.0]]
