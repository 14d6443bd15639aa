// Per channel x * mul + add, exactly: the common integer scale that makes classes with different real scales comparable. What multiplies and adds stands
// beside (the design's `Datapath`): a pipeline of DP_DEPTH registers from the values, dp_x_o, and their channels' words, dp_w_o, to the results, dp_sum_i,
// which moves with dp_advance_o. The words come straight out of LUTs: the datapath has the registers, if any.
module channel_affine #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,       // beats per vector (all channels once)
  parameter int unsigned VECTORS = 1,    // per frame
  parameter int unsigned WIDTH = 1,      // of a value
  parameter int unsigned MUL_BITS = 1,   // of a factor
  parameter int unsigned ADD_BITS = 1,   // of an addend
  parameter int unsigned OUT_BITS = 1,   // of a result
  parameter int unsigned DP_DEPTH = 1,
  parameter MUL_FILE = "",               // FOLD words; lane p at bit p * MUL_BITS
  parameter ADD_FILE = ""                // FOLD words; lane p at bit p * ADD_BITS
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic [PE*WIDTH-1:0]                s_tdata_i,
  input  logic                               s_tvalid_i,
  input  logic                               s_tlast_i,
  output logic                               s_tready_o,
  output logic [PE*OUT_BITS-1:0]             m_tdata_o,
  output logic                               m_tvalid_o,
  output logic                               m_tlast_o,
  input  logic                               m_tready_i,
  output logic                               dp_advance_o,
  output logic [PE*WIDTH-1:0]                dp_x_o,
  output logic [PE*(MUL_BITS+ADD_BITS)-1:0]  dp_w_o,      // all factors, then all addends
  input  logic [PE*OUT_BITS-1:0]             dp_sum_i
);
  localparam int unsigned STEP_BITS = FOLD > 1 ? $clog2(FOLD) : 1;

  if (PE < 1 || FOLD < 1 || VECTORS < 1 || WIDTH < 1 || MUL_BITS < 1 || ADD_BITS < 1 || OUT_BITS < 1 || DP_DEPTH < 1) begin : gen_bad_size
    $fatal(1, "channel_affine: sizes must be at least 1");
  end

  logic step, last;
  logic [STEP_BITS-1:0] beat;
  counter #(.COUNT(FOLD)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(last));

  step_control #(.DEPTH(DP_DEPTH), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(dp_advance_o), .step_o(step)
  );

  word_rom #(.WIDTH(PE * MUL_BITS), .DEPTH(FOLD), .FILE(MUL_FILE)) i_mul (.addr_i(beat), .word_o(dp_w_o[0+:PE*MUL_BITS]));
  word_rom #(.WIDTH(PE * ADD_BITS), .DEPTH(FOLD), .FILE(ADD_FILE)) i_add (.addr_i(beat), .word_o(dp_w_o[PE*MUL_BITS+:PE*ADD_BITS]));

  assign dp_x_o = s_tdata_i;
  assign m_tdata_o = dp_sum_i;

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * WIDTH), .BEATS(FOLD * VECTORS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
