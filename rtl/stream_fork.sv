// Gives each beat to OUTPUTS readers, to each when it is ready ("eager"): the next beat waits for the slowest of them. Combinational but for what says
// who has the present beat already.
module stream_fork #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned OUTPUTS = 2
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic [WIDTH-1:0]   s_tdata_i,
  input  logic               s_tvalid_i,
  input  logic               s_tlast_i,
  output logic               s_tready_o,
  output logic [WIDTH-1:0]   m_tdata_o,   // shared by all readers
  output logic [OUTPUTS-1:0] m_tvalid_o,
  output logic               m_tlast_o,
  input  logic [OUTPUTS-1:0] m_tready_i
);
  if (WIDTH < 1 || OUTPUTS < 1) begin : gen_bad_size
    $fatal(1, "stream_fork: WIDTH and OUTPUTS must be at least 1");
  end

  logic [OUTPUTS-1:0] done_q;
  assign m_tvalid_o = s_tvalid_i ? ~done_q : '0;
  assign s_tready_o = &(done_q | m_tready_i);
  always_ff @(posedge clk_i) begin
    if (!rst_ni) done_q <= '0;
    else if (s_tvalid_i) done_q <= s_tready_o ? '0 : done_q | m_tready_i;
  end
  assign m_tdata_o = s_tdata_i;
  assign m_tlast_o = s_tlast_i;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(WIDTH), .BEATS(0)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
