"""rtl/step_control.sv under cocotb."""

from bench_runner import run_bench

INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .need_i(c{k}_s_tdata[0]), .give_i(c{k}_s_tdata[1]), .last_i(c{k}_s_tlast),
    .s_tvalid_i(c{k}_s_tvalid), .s_tready_o(c{k}_s_tready), .m_tvalid_o(c{k}_m_tvalid), .m_tlast_o(c{k}_m_tlast), .m_tready_i(c{k}_m_tready),
    .advance_o(c{k}_m_tdata[0]), .step_o(c{k}_m_tdata[1])
  );"""

CASES = [{"DEPTH": depth, "VECTORS": vectors} for depth, vectors in ((1, 1), (2, 1), (4, 1), (1, 2), (2, 3), (3, 8), (1, 5), (2, 11))]


def test_step_control(tmp_path, monkeypatch):
    run_bench(tmp_path, monkeypatch, "step_control", CASES, [(2, 2)] * len(CASES), instance=INSTANCE)
