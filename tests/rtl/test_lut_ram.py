"""rtl/lut_ram.sv under cocotb, of one bank and of many: as RTL in both forms, and as what yosys makes of it, whose LUTs `lut_ram` counts."""

import pytest
from bench_runner import FORMS, run_bench
from yosys import synthesize

from hwqnn import synth
from hwqnn.dataflow.storage import lut_ram
from hwqnn.paths import RTL

INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .write_i(c{k}_s_tvalid), .read_addr_i(c{k}_s_tdata[WIDTH{k}+BITS{k}+:BITS{k}]), .write_addr_i(c{k}_s_tdata[WIDTH{k}+:BITS{k}]),
    .word_i(c{k}_s_tdata[WIDTH{k}-1:0]), .word_o(c{k}_m_tdata)
  );"""
SIZES = ((3, 1), (5, 20), (4, 33), (2, 65), (7, 96), (3, 130), (1, 320), (2, 1100))


def bench(folder, monkeypatch, sizes, **options):
    cases = [{"WIDTH": width, "DEPTH": depth} for width, depth in sizes]
    bits = [max((depth - 1).bit_length(), 1) for _, depth in sizes]
    widths = [(width + 2 * b, width) for (width, _), b in zip(sizes, bits, strict=True)]
    numbers = [{"width": width, "bits": b} for (width, _), b in zip(sizes, bits, strict=True)]
    instance = INSTANCE.replace("WIDTH{k}", "{width}").replace("BITS{k}", "{bits}")
    run_bench(folder, monkeypatch, "lut_ram", [case | n for case, n in zip(cases, numbers, strict=True)], widths, instance=instance, **options)


@pytest.mark.parametrize("form", FORMS)
def test_lut_ram(form, tmp_path, monkeypatch):
    bench(tmp_path, monkeypatch, SIZES, form=form)


def test_lut_ram_netlist(tmp_path, monkeypatch):
    bench(tmp_path, monkeypatch, SIZES[2:6], netlist=synthesize)


@pytest.mark.parametrize(("width", "depth"), [(7, 32), (7, 33), (8, 96), (8, 128), (5, 250), (16, 320), (9, 1024), (4, 1100)])
def test_lut_ram_is_counted(width, depth, tmp_path):
    address = (depth - 1).bit_length()
    library = [(RTL / f"{name}.sv").read_text() for name in ("boundary", "mux2", "choose_slice", "choose", "lut_ram")]
    top = f"""
module top (
  input logic clk_i, write_i, input logic [{address - 1}:0] write_addr_i, read_addr_i, input logic [{width - 1}:0] word_i,
  output logic [{width - 1}:0] word_o
);
  lut_ram #(.WIDTH({width}), .DEPTH({depth})) i_ram (.*);
endmodule
"""
    (tmp_path / "top.sv").write_text("\n".join(("`define HWQNN_XC7", *library, top)))
    cells = synth.synthesize([synth.Unit("ram", "top", (tmp_path / "top.sv",), tmp_path, ())], jobs=1, timeout_s=120)["ram"]
    assert cells.lut == lut_ram(width, depth)
