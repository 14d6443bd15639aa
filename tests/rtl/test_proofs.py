"""SAT proofs, over every input: what yosys reads from the library, 7-series cells included, is the arithmetic that it should be."""

import re
from pathlib import Path
from random import Random

import pytest
from bench_runner import write_rom
from test_threshold import search_words
from yosys import prove_equal

from hwqnn.synth import Unit, netlists
from hwqnn.synth.yosys import WORKER


@pytest.mark.parametrize(("width", "select"), [(1, 1), (4, 0), (5, 1)])
def test_mux2(width, select, tmp_path):
    ports = f"input logic s, input logic [{width - 1}:0] a, b, output logic [{width - 1}:0] y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); mux2 #(.WIDTH({width})) i (.select_i(s), .zero_i(a), .one_i(b), .word_o(y)); endmodule\n",
        f"module golden({ports}); assign y = ({{{width}{{s}}}} & b) | (~{{{width}{{s}}}} & a); endmodule\n",
    )


@pytest.mark.parametrize(("width", "count"), [(2, 1), (3, 2), (2, 4), (1, 7), (2, 11), (1, 16), (1, 21), (1, 270)])
def test_choose(width, count, tmp_path):
    """Of words that there are."""
    bits = max((count - 1).bit_length(), 1)
    ports = f"input logic [{count - 1}:0][{width - 1}:0] words, input logic [{bits - 1}:0] index, output logic [{width - 1}:0] y"
    cases = " ".join(f"{i}: y = words[{i}];" for i in range(count))
    prove_equal(
        tmp_path,
        f"module structural({ports}); logic [{width - 1}:0] word; assign y = index < {count} ? word : 0;\n"
        f"choose #(.WIDTH({width}), .COUNT({count})) i (.words_i(words), .index_i(index), .word_o(word)); endmodule\n",
        f"module golden({ports}); always_comb case (index) {cases} default: y = 0; endcase endmodule\n",
    )


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("bits", "equal"), [(1, 0), (2, 1), (3, 0), (3, 1), (4, 0), (4, 1), (5, 1), (6, 0), (8, 1), (9, 0), (17, 1)])
def test_greater(bits, equal, signed, tmp_path):
    ports = f"input logic [{bits - 1}:0] a, b, output logic y"
    number = "$signed" if signed else ""
    prove_equal(
        tmp_path,
        f"module structural({ports}); greater #(.BITS({bits}), .SIGNED({signed}), .EQUAL({equal})) i (.a_i(a), .b_i(b), .greater_o(y)); endmodule\n",
        f"module golden({ports}); assign y = {number}(a) {'>=' if equal else '>'} {number}(b); endmodule\n",
    )


@pytest.mark.parametrize(("bits", "digit"), [(1, 1), (5, 6), (9, 6), (11, 6), (12, 6), (9, 2), (3, 1), (20, 4)])
def test_reached(bits, digit, tmp_path):
    ports = f"input logic [{bits - 1}:0] x, t, output logic y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); reached #(.BITS({bits}), .DIGIT({digit})) i (.value_i(x), .threshold_i(t), .reached_o(y)); endmodule\n",
        f"module golden({ports}); assign y = $signed(x) >= $signed(t); endmodule\n",
    )


@pytest.mark.parametrize(("bits", "signed"), [(1, 0), (1, 1), (4, 1), (7, 0)])
def test_extreme(bits, signed, tmp_path):
    ports = f"input logic [{bits - 1}:0] a, b, input logic first, least, output logic [{bits - 1}:0] y"
    number = "$signed" if signed else ""
    parameters = f".BITS({bits}), .SIGNED({signed})"
    prove_equal(
        tmp_path,
        f"module structural({ports}); extreme #({parameters}) i (.a_i(a), .b_i(b), .first_i(first), .least_i(least), .value_o(y)); endmodule\n",
        f"module golden({ports}); always_comb if (first) y = a; else if (least) y = {number}(a) < {number}(b) ? a : b;\n"
        f"else y = {number}(a) > {number}(b) ? a : b; endmodule\n",
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


WIDE = """module structural(input logic [9:0] a, output logic [2:0] y);
  (* logic_block = 1 *) logic [WIDTH-1:0] words[1024];
  initial $readmemh("wide.mem", words);
  logic [WIDTH-1:0] word;
  assign word = words[a];
  assign y = {word[WIDTH-2], word[77], word[3]};
endmodule
"""
GOLDEN = """module golden(input logic [9:0] a, output logic [2:0] y);
  logic [2:0] words[1024];
  initial $readmemh("read.mem", words);
  assign y = words[a];
endmodule
"""


def test_what_is_read_of_a_large_rom(tmp_path):
    """Three bits of each word of so many that yosys is to map these bits alone."""
    width = int(re.search(r"^LARGE = (\w+)", WORKER.read_text(), re.M)[1]) // 1024 + 1
    words = [Random(a).getrandbits(width) for a in range(1024)]
    write_rom(tmp_path / "wide.mem", words)
    write_rom(tmp_path / "read.mem", [sum((word >> bit & 1) << i for i, bit in enumerate((3, 77, width - 2))) for word in words])
    (tmp_path / "wide.sv").write_text(WIDE.replace("WIDTH", str(width)))
    unit = Unit("rom", "structural", (Path("wide.sv"),), tmp_path, (Path("wide.mem"),))
    prove_equal(tmp_path, netlists([unit], jobs=1, timeout_s=300)["rom"].verilog, GOLDEN)


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


@pytest.mark.parametrize("bits", [1, 3, 4, 12, 19])
def test_same(bits, tmp_path):
    ports = f"input logic [{bits - 1}:0] a, b, output logic y"
    prove_equal(
        tmp_path,
        f"module structural({ports}); same #(.BITS({bits})) i (.a_i(a), .b_i(b), .same_o(y)); endmodule\n",
        f"module golden({ports}); assign y = ~|(a ^ b); endmodule\n",
    )
