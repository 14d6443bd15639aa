// How much weight the labels of a beat give to each class. A beat holds all labels of a vector and stays while FOLD beats of classes leave; the last of
// these steps takes it. What compares and counts stands beside (the design's `Datapath`): a pipeline of DP_DEPTH registers from the labels, dp_x_o, and
// the number of the step, dp_w_o, to the votes, dp_sum_i, which moves with dp_advance_o.
module vote #(
  parameter int unsigned X_BITS = 1,    // of all labels
  parameter int unsigned Y_BITS = 1,    // of the votes of a step's classes
  parameter int unsigned FOLD = 1,      // steps a vector
  parameter int unsigned VECTORS = 1,   // a frame
  parameter int unsigned W_BITS = 1,    // of dp_w_o
  parameter int unsigned DP_DEPTH = 1
) (
  input  logic              clk_i,
  input  logic              rst_ni,
  input  logic [X_BITS-1:0] s_tdata_i,
  input  logic              s_tvalid_i,
  input  logic              s_tlast_i,
  output logic              s_tready_o,
  output logic [Y_BITS-1:0] m_tdata_o,
  output logic              m_tvalid_o,
  output logic              m_tlast_o,
  input  logic              m_tready_i,
  output logic              dp_advance_o,
  output logic [X_BITS-1:0] dp_x_o,
  output logic [W_BITS-1:0] dp_w_o,
  input  logic [Y_BITS-1:0] dp_sum_i
);
  if (X_BITS < 1 || Y_BITS < 1 || FOLD < 1 || VECTORS < 1 || DP_DEPTH < 1) begin : gen_bad_size
    $fatal(1, "vote: sizes must be at least 1");
  end
  if (W_BITS < 1 || W_BITS < $clog2(FOLD)) begin : gen_bad_step_bits
    $fatal(1, "vote: W_BITS must hold every step");
  end

  logic step, last;
  logic [(FOLD > 1 ? $clog2(FOLD) : 1)-1:0] lanes;  // which of all
  counter #(.COUNT(FOLD)) i_lanes (.clk_i, .rst_ni, .step_i(step), .value_o(lanes), .last_o(last));

  step_control #(.DEPTH(DP_DEPTH), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i,
    /* verilator lint_off PINCONNECTEMPTY */  // of the steps that need a beat: here all look at it, and the last one takes it
    .s_tready_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(dp_advance_o), .step_o(step)
  );
  assign s_tready_o = dp_advance_o && last;

  assign dp_x_o = s_tdata_i;
  assign dp_w_o = W_BITS'(lanes);
  assign m_tdata_o = dp_sum_i;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(X_BITS), .BEATS(VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
