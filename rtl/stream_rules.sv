// Simulation only: what every block may assume of the stream it receives. Once tvalid rises, tvalid, tdata and tlast hold until tready;
// tlast comes with exactly the last of every BEATS beats (BEATS = 0: frames of any length).
`ifndef SYNTHESIS
module stream_rules #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned BEATS = 0
) (
  input logic             clk_i,
  input logic             rst_ni,
  input logic [WIDTH-1:0] tdata_i,
  input logic             tvalid_i,
  input logic             tlast_i,
  input logic             tready_i
);
  logic             waiting_q;
  logic [WIDTH-1:0] tdata_q;
  logic             tlast_q;

  always_ff @(posedge clk_i) begin
    waiting_q <= rst_ni && tvalid_i && !tready_i;
    tdata_q   <= tdata_i;
    tlast_q   <= tlast_i;
    if (rst_ni && waiting_q) begin
      a_valid_holds : assert (tvalid_i) else $error("tvalid fell before tready");
      a_data_holds : assert (tdata_i == tdata_q && tlast_i == tlast_q) else $error("tdata or tlast changed before tready");
    end
  end

  if (BEATS > 0) begin : gen_last
    int unsigned beat_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) beat_q <= 0;
      else if (tvalid_i && tready_i) begin
        beat_q <= (beat_q == BEATS - 1) ? 0 : beat_q + 1;
        a_last : assert (tlast_i == (beat_q == BEATS - 1)) else $error("tlast is not on the last of %0d beats", BEATS);
      end
    end
  end
endmodule
`endif
