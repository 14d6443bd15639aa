// A matrix whose weights are logic: a vector in and all its outputs out in every step. The logic stands beside (the design's `Datapath`): a pipeline of
// DP_DEPTH registers from dp_x_o and dp_w_o to dp_sum_i, which moves with dp_advance_o. dp_w_o tells which kind of position the vector is of, where some
// of a window may lie outside the map (CLASSES kinds).
module frozen #(
  parameter int unsigned X_BITS = 1,    // of a vector
  parameter int unsigned Y_BITS = 1,    // of all outputs
  parameter int unsigned VECTORS = 1,   // a frame
  parameter int unsigned CLASSES = 1,
  parameter int unsigned COLUMNS = 1,   // vectors a row, when CLASSES > 1
  parameter int unsigned W_BITS = 1,    // of dp_w_o
  parameter int unsigned DP_DEPTH = 1,
  parameter ROW_FILE = "",              // when CLASSES > 1: the class is what a row's and a column's word say, added, see position_base
  parameter COLUMN_FILE = ""
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
  if (VECTORS < 1 || COLUMNS < 1 || VECTORS % COLUMNS != 0) begin : gen_bad_vectors
    $fatal(1, "frozen: VECTORS must be a positive multiple of COLUMNS");
  end
  if (CLASSES < 1 || W_BITS < 1 || W_BITS < $clog2(CLASSES)) begin : gen_bad_classes
    $fatal(1, "frozen: W_BITS must hold every class");
  end

  logic step;
  step_control #(.DEPTH(DP_DEPTH), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(1'b1), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(dp_advance_o), .step_o(step)
  );

  if (CLASSES > 1) begin : gen_classes
    position_base #(
      .ROWS(VECTORS / COLUMNS), .COLUMNS(COLUMNS), .BITS(W_BITS), .ROW_FILE(ROW_FILE), .COLUMN_FILE(COLUMN_FILE)
    ) i_position (.clk_i, .rst_ni, .next_i(step), .base_o(dp_w_o));
  end else begin : gen_one_class
    logic unused_step;
    assign unused_step = step;
    assign dp_w_o = '0;
  end

  assign dp_x_o = s_tdata_i;
  assign m_tdata_o = dp_sum_i;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(X_BITS), .BEATS(VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
