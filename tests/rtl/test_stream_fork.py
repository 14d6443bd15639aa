"""rtl/stream_fork.sv under cocotb: one reader to five."""

from bench_runner import run_bench

PORTS = """  input logic [{s}-1:0] c{k}_s_tdata, input logic c{k}_s_tvalid, c{k}_s_tlast, output logic c{k}_s_tready, {outputs}"""
OUTPUT = "output logic [{m}-1:0] c{k}_m{i}_tdata, output logic c{k}_m{i}_tvalid, c{k}_m{i}_tlast, input logic c{k}_m{i}_tready"
INSTANCE = """  {module} #({parameters}) i_c{k} (
    .clk_i(clk), .rst_ni(rst_n), .s_tdata_i(c{k}_s_tdata), .s_tvalid_i(c{k}_s_tvalid), .s_tlast_i(c{k}_s_tlast), .s_tready_o(c{k}_s_tready),
    .m_tdata_o(c{k}_m0_tdata), .m_tvalid_o({{{valids}}}), .m_tlast_o(c{k}_m0_tlast), .m_tready_i({{{readies}}})
  );{shared}"""


def make(k, width, outputs, beats):
    """Case k, with the text of its ports: all readers but the first look at the first one's data."""
    texts = {
        "outputs": ", ".join(OUTPUT.format(m=width, k=k, i=i) for i in range(outputs)),
        "valids": ", ".join(f"c{k}_m{i}_tvalid" for i in reversed(range(outputs))),
        "readies": ", ".join(f"c{k}_m{i}_tready" for i in reversed(range(outputs))),
        "shared": "".join(f" assign c{k}_m{i}_tdata = c{k}_m0_tdata; assign c{k}_m{i}_tlast = c{k}_m0_tlast;" for i in range(1, outputs)),
    }
    return {"WIDTH": width, "OUTPUTS": outputs, "beats": beats} | texts


def test_stream_fork(tmp_path, monkeypatch):
    cases = [make(k, *row) for k, row in enumerate(((1, 1, 3), (5, 2, 7), (70, 3, 1), (8, 5, 4)))]
    run_bench(tmp_path, monkeypatch, "stream_fork", cases, [(c["WIDTH"], c["WIDTH"]) for c in cases], ports=PORTS, instance=INSTANCE)
