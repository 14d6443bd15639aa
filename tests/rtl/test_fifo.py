"""rtl/fifo.sv under cocotb, in every kind of memory."""

import pytest
from bench_runner import run_bench
from yosys import prove_equal, synthesize

SHIFT, RAM, BLOCK_RAM = range(3)
CASES = [
    {"WIDTH": width, "DEPTH": depth, "STORE": store}
    for width, depth, store in (
        (1, 2, SHIFT),
        (8, 3, SHIFT),
        (5, 16, SHIFT),
        (70, 33, SHIFT),
        (3, 1, RAM),
        (6, 2, RAM),
        (9, 4, RAM),
        (70, 8, RAM),
        (4, 128, RAM),
        (1, 4, BLOCK_RAM),
        (5, 16, BLOCK_RAM),
    )
]


def run(cases, folder, monkeypatch, **options):
    run_bench(folder, monkeypatch, "fifo", cases, [(c["WIDTH"], c["WIDTH"]) for c in cases], **options)


def test_fifo(tmp_path, monkeypatch):
    run(CASES, tmp_path, monkeypatch)


def test_fifo_netlist(tmp_path, monkeypatch):
    """Again on what yosys makes of it."""
    run([c for c in CASES if c["STORE"] != BLOCK_RAM], tmp_path, monkeypatch, netlist=synthesize)


@pytest.mark.parametrize("bits", [1, 2, 5, 6, 9, 12])
def test_addresses(bits, tmp_path):
    """What follows each address in rtl/de_bruijn.sv, by SAT against a de Bruijn sequence made in the most obvious way; which is one, by counting."""
    recent = walk(bits)
    addresses = [sum(recent[(i - k) % len(recent)] << k for k in range(bits)) for i in range(len(recent))]
    assert sorted(addresses) == list(range(1 << bits))
    ports = f"input logic [{bits - 1}:0] a, output logic [{bits - 1}:0] y"
    cases = " ".join(f"{a}: y = {b};" for a, b in zip(addresses, addresses[1:] + addresses[:1], strict=True))
    prove_equal(
        tmp_path,
        f"module structural({ports}); de_bruijn #(.BITS({bits})) i (.addr_i(a), .next_o(y)); endmodule\n",
        f"module golden({ports}); always_comb case (a) {cases} endcase endmodule\n",
    )


def walk(bits):
    """The bits that come in, from the address 0 on: the recurrence of a primitive polynomial, whose longest run of zeros is one longer."""
    terms = {1: (1,), 2: (2, 1), 5: (5, 3), 6: (6, 5), 9: (9, 5), 12: (12, 6, 4, 1)}[bits]
    sequence = [0] * (bits - 1) + [1]
    while len(sequence) < (1 << bits) - 1:
        sequence.append(sum(sequence[-t] for t in terms) % 2)
    return [0, *sequence]
