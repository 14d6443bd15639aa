"""SAT proofs, over every input: what yosys reads from the library, 7-series cells included, is the arithmetic that it should be."""

from random import Random

import pytest
from bench_runner import write_rom
from test_mvu import excess
from test_threshold import search_words
from yosys import prove_equal


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6, 7, 8, 11, 14, 16, 20])
def test_xnor_popcount(size, tmp_path):
    ports = f"input logic [{size - 1}:0] a, b, output logic [{size.bit_length() - 1}:0] y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); xnor_popcount #(.SIZE({size})) i (.a_i(a), .b_i(b), .count_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {' + '.join(f'(a[{i}] == b[{i}])' for i in range(size))}; endmodule\n",
    )


@pytest.mark.parametrize(("width", "select"), [(1, 1), (4, 0), (5, 1)])
def test_mux2(width, select, tmp_path):
    ports = f"input logic s, input logic [{width - 1}:0] a, b, output logic [{width - 1}:0] y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); mux2 #(.WIDTH({width})) i (.select_i(s), .zero_i(a), .one_i(b), .word_o(y)); endmodule\n",
        f"module golden({ports}); assign y = ({{{width}{{s}}}} & b) | (~{{{width}{{s}}}} & a); endmodule\n",
    )


@pytest.mark.parametrize(
    ("x_kind", "x_bits", "w_kind", "w_bits"), [(0, 1, 2, 3), (0, 1, 1, 2), (1, 3, 0, 1), (2, 3, 0, 1), (1, 2, 1, 2), (2, 3, 2, 2), (2, 3, 1, 2)]
)
@pytest.mark.parametrize("simd", [1, 3, 4])
@pytest.mark.parametrize("cut", [0, 3])
def test_dot_product(x_kind, x_bits, w_kind, w_bits, simd, cut, tmp_path):
    """Against a table of the products and their constants, written out; whole, and with the upper columns cut off."""
    sum_bits = x_bits + w_bits + 4 - cut
    ports = f"input logic [{simd * x_bits - 1}:0] x, input logic [{simd * w_bits - 1}:0] w, output logic [{sum_bits - 1}:0] y"

    def number(code, kind, bits):
        return 2 * code - 1 if kind == 0 else code - (1 << bits) if kind == 2 and code >> (bits - 1) else code

    def term(x, w):
        return (x * w + excess(x_kind, x_bits, w_kind, w_bits, w)) % (1 << sum_bits)

    rows = [
        f"{(xc << w_bits) | wc}: product = {term(number(xc, x_kind, x_bits), number(wc, w_kind, w_bits))};"
        for xc in range(1 << x_bits)
        for wc in range(1 << w_bits)
    ]
    table = f"function [{sum_bits - 1}:0] product(input [{x_bits + w_bits - 1}:0] code); case (code) {' '.join(rows)} endcase endfunction\n"
    terms = " + ".join(f"product({{x[{s * x_bits} +: {x_bits}], w[{s * w_bits} +: {w_bits}]}})" for s in range(simd))
    parameters = f".SIMD({simd}), .X_BITS({x_bits}), .X_KIND({x_kind}), .W_BITS({w_bits}), .W_KIND({w_kind}), .SUM_BITS({sum_bits})"
    prove_equal(
        tmp_path,
        f"module structural({ports}); dot_product #({parameters}) i (.x_i(x), .w_i(w), .sum_o(y)); endmodule\n",
        f"module golden({ports}); {table} assign y = {terms}; endmodule\n",
    )


@pytest.mark.parametrize(("lanes", "rows", "levels"), [(2, 3, 3), (1, 1, 5)])
def test_threshold_rom(lanes, rows, levels, tmp_path):
    """Every stage of the search, given any known bits, compares with the entry in the middle of what they leave."""
    t_bits, stages = 5, levels.bit_length()
    random = Random(levels)
    table = [[sorted(random.randint(-16, 15) for _ in range(levels)) for _ in range(lanes)] for _ in range(rows)]
    write_rom(tmp_path / "thresholds.hex", search_words(table, levels, t_bits))
    for stage in range(stages):
        for lane in range(lanes):
            known_bits, row_bits = max(stage, 1), max((rows - 1).bit_length(), 1)
            ports = f"input logic [{row_bits - 1}:0] row, input logic [{known_bits - 1}:0] known, output logic [{t_bits - 1}:0] y"
            step = 1 << (stages - stage - 1)
            cases = []
            for r in range(rows):
                for k in range(1 << stage):
                    entry = 2 * k * step + step - 1
                    value = table[r][lane][entry] if entry < levels else 15
                    cases.append(f"{r * (1 << known_bits) + k}: y = {value % 32};")
            parameters = f'.PE({lanes}), .LANE({lane}), .STAGES({stages}), .STAGE({stage}), .T_BITS({t_bits}), .ROWS({rows}), .FILE("thresholds.hex")'
            prove_equal(
                tmp_path,
                # rows and known bits that do not exist may give anything: keep them out of the question
                f"module structural({ports}); logic [{t_bits - 1}:0] t; assign y = row < {rows} && known < {1 << stage} ? t : 0; "
                f"threshold_rom #({parameters}) i (.row_i(row), .known_i(known), .threshold_o(t)); endmodule\n",
                f"module golden({ports}); always_comb case ({{row, known}}) {' '.join(cases)} default: y = 0; endcase endmodule\n",
            )


def ones(terms):
    return " + ".join(terms)


def test_full_adder(tmp_path):
    ports = "input logic [2:0] a, output logic [1:0] y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); full_adder i (.bits_i(a), .count_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {ones(f'a[{i}]' for i in range(3))}; endmodule\n",
    )


def test_counter_7_3(tmp_path):
    ports = "input logic [6:0] a, output logic [2:0] y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); counter_7_3 i (.bits_i(a), .count_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {ones(f'a[{i}]' for i in range(7))}; endmodule\n",
    )


@pytest.mark.parametrize("agree", [0, 1])
@pytest.mark.parametrize("invert_a", [0, 1])
@pytest.mark.parametrize("invert", [0, 1])
def test_product_counter_3_2(agree, invert_a, invert, tmp_path):
    """Against the truth table of a single product, in Python."""
    ports = "input logic [2:0] a, b, output logic [1:0] y"
    true = [(p, q) for p in (0, 1) for q in (0, 1) if ((p ^ invert_a) == q if agree else (p ^ invert_a) and q) != bool(invert)]
    product = " || ".join(f"(a[{{i}}] == {p} && b[{{i}}] == {q})" for p, q in true)
    parameters = f".AGREE({agree}), .INVERT_A({invert_a}), .INVERT({invert})"
    prove_equal(
        tmp_path,
        f"module structural({ports}); product_counter_3_2 #({parameters}) i (.a_i(a), .b_i(b), .count_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {ones(f'({product.format(i=i)})' for i in range(3))}; endmodule\n",
    )


# from the lowest column up; the sums of the last two do not fit their columns, and wrap
@pytest.mark.parametrize("heights", [(1,), (2, 2, 0), (3, 0, 1, 0), (9, 4, 3, 0, 0), (5, 0, 7, 1, 0, 0), (7, 8), (3, 10, 6)])
def test_bit_heap(heights, tmp_path):
    columns, bits = len(heights), sum(heights)
    ports = f"input logic [{bits - 1}:0] a, output logic [{columns - 1}:0] y"
    weights = [c for c, height in enumerate(heights) for _ in range(height)]
    fields = ", ".join(f"16'd{height}" for height in reversed(heights))
    parameters = f".COLUMNS({columns}), .HEIGHTS({{{fields}}}), .BITS({bits})"
    prove_equal(
        tmp_path,
        f"module structural({ports}); bit_heap #({parameters}) i (.bits_i(a), .sum_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {ones(f'a[{i}] * {1 << c}' for i, c in enumerate(weights))}; endmodule\n",
    )


@pytest.mark.parametrize(
    ("n_bits", "base", "step", "out_bits"), [(1, 0, 1, 1), (1, -1, 2, 2), (3, -7, 2, 4), (4, -3, 1, 3), (8, -128, 1, 8), (2, 5, -3, 6)]
)
def test_level_code(n_bits, base, step, out_bits, tmp_path):
    ports = f"input logic [{n_bits - 1}:0] n, output logic [{out_bits - 1}:0] y"
    cases = " ".join(f"{n}: y = {(base + step * n) % (1 << out_bits)};" for n in range(1 << n_bits))
    parameters = f".N_BITS({n_bits}), .BASE({base}), .STEP({step}), .OUT_BITS({out_bits})"
    prove_equal(
        tmp_path,
        f"module structural({ports}); level_code #({parameters}) i (.n_i(n), .code_o(y)); endmodule\n",
        f"module golden({ports}); always_comb case (n) {cases} endcase endmodule\n",
    )


@pytest.mark.parametrize(("file_width", "start", "width", "depth"), [(1, 0, 1, 2), (9, 0, 9, 5), (12, 5, 4, 8), (7, 6, 1, 70)])
def test_rom(file_width, start, width, depth, tmp_path):
    random = Random(depth)
    words = [random.getrandbits(file_width) for _ in range(depth)]
    write_rom(tmp_path / "words.hex", words)
    ports = f"input logic [{(depth - 1).bit_length() - 1}:0] a, output logic [{width - 1}:0] y"
    cases = " ".join(f"{address}: y = {(word >> start) % (1 << width)};" for address, word in enumerate(words))
    parameters = f'.FILE_WIDTH({file_width}), .FROM({start}), .WIDTH({width}), .DEPTH({depth}), .FILE("words.hex")'
    prove_equal(
        tmp_path,
        # an address past the end may give anything
        f"module structural({ports}); logic [{width - 1}:0] word; assign y = a < {depth} ? word : 0; "
        f"rom #({parameters}) i (.addr_i(a), .word_o(word)); endmodule\n",
        f"module golden({ports}); always_comb case (a) {cases} default: y = 0; endcase endmodule\n",
    )
