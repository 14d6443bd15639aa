"""Identifiers: safe for whatever a user calls a layer."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwqnn.emit.names import identifier, unique

texts = st.one_of(
    st.text(), st.sampled_from(["module", "Begin", "", "_", "0", "a.b", "a_b", "x" * 80, "ß", '"; $finish; //', "a\n`include", "endmodule"])
)


@given(texts)
def test_identifiers_are_safe_everywhere(text: str) -> None:
    name = identifier(text)
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert len(name) <= 50
    assert name not in {"module", "endmodule", "begin", "end", "logic", "always", "wire", "input", "output", "assign", "initial", "reg", "function"}


@given(st.lists(texts, max_size=12))
def test_unique_names(given_texts: list[str]) -> None:
    names = unique(given_texts)
    assert len(set(names)) == len(names) == len(given_texts)
    assert all(re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) for name in names)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("features.0.Conv", "features_0_conv"), ("module", "n_module"), ("3x3", "n_3x3"), ("__", "n"), ("日本", "n"), ("a--b", "a_b"),
        ('"; $finish; //', "finish"), ("</script>", "script"), ("endmodule", "n_endmodule"), ("priority", "n_priority"),
    ],
)  # fmt: skip
def test_examples(text: str, name: str) -> None:
    assert identifier(text) == name


def test_clashes_get_numbers() -> None:
    assert unique(["a.b", "a-b", "A_b", "a_b_2"]) == ["a_b", "a_b_2", "a_b_3", "a_b_2_2"]
