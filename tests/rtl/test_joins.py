"""rtl/add.sv and rtl/concat.sv under cocotb: inputs of every kind, alike and different."""

from bench_runner import run_bench

PORTS = """  input logic [{PE}*{A_BITS}-1:0] c{k}_a_tdata, input logic c{k}_a_tvalid, c{k}_a_tlast, output logic c{k}_a_tready,
  input logic [{PE}*{B_BITS}-1:0] c{k}_b_tdata, input logic c{k}_b_tvalid, c{k}_b_tlast, output logic c{k}_b_tready,
  output logic [{m}-1:0] c{k}_m_tdata, output logic c{k}_m_tvalid, c{k}_m_tlast, input logic c{k}_m_tready"""
INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .s_tdata_i({{c{k}_b_tdata, c{k}_a_tdata}}), .s_tvalid_i({{c{k}_b_tvalid, c{k}_a_tvalid}}),
    .s_tlast_i({{c{k}_b_tlast, c{k}_a_tlast}}), .s_tready_o({{c{k}_b_tready, c{k}_a_tready}}),
    .m_tdata_o(c{k}_m_tdata), .m_tvalid_o(c{k}_m_tvalid), .m_tlast_o(c{k}_m_tlast), .m_tready_i(c{k}_m_tready)
  );"""

BIPOLAR, UNSIGNED, SIGNED = range(3)
# (bits, kind) of both inputs, and bits of the output
SUMS = (
    (1, BIPOLAR, 1, BIPOLAR, 3),
    (1, BIPOLAR, 2, UNSIGNED, 4),
    (4, SIGNED, 1, UNSIGNED, 5),
    (3, UNSIGNED, 5, UNSIGNED, 6),
    (8, SIGNED, 8, SIGNED, 9),
    (2, SIGNED, 1, SIGNED, 2),  # ternary and {-1, 0}
)
WIDENED = (
    (1, BIPOLAR, 1, BIPOLAR, 1),
    (1, BIPOLAR, 3, UNSIGNED, 4),
    (2, UNSIGNED, 1, BIPOLAR, 3),
    (4, SIGNED, 2, SIGNED, 4),
    (4, UNSIGNED, 4, SIGNED, 5),
    (3, UNSIGNED, 3, UNSIGNED, 3),
)


def typed(row):
    return dict(zip(("A_BITS", "A_KIND", "B_BITS", "B_KIND", "OUT_BITS"), row, strict=True))


def run(folder, monkeypatch, module, cases):
    widths = [(0, c["PE"] * c["OUT_BITS"]) for c in cases]
    run_bench(folder, monkeypatch, module, cases, widths, ports=PORTS, instance=INSTANCE)


def test_add(tmp_path, monkeypatch):
    sizes = ((1, 1), (3, 4), (2, 7), (1, 10), (4, 2), (5, 3))
    run(tmp_path, monkeypatch, "add", [{"PE": pe, "BEATS": beats} | typed(row) for (pe, beats), row in zip(sizes, SUMS, strict=True)])


def test_concat(tmp_path, monkeypatch):
    sizes = ((1, 1, 1, 1), (2, 3, 1, 4), (1, 1, 4, 3), (4, 2, 2, 1), (3, 5, 4, 2), (1, 1, 1, 6))
    names = ("PE", "A_FOLD", "B_FOLD", "VECTORS")
    run(tmp_path, monkeypatch, "concat", [dict(zip(names, s, strict=True)) | typed(row) for s, row in zip(sizes, WIDENED, strict=True)])
