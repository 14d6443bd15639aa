// Each pixel's channels of one stream, then those of another, widened to a type that holds both. A step takes from the one whose turn it is.
module concat #(
  parameter int unsigned PE = 1,        // elements a beat
  parameter int unsigned A_FOLD = 1,    // beats a pixel of input 0
  parameter int unsigned B_FOLD = 1,    // beats a pixel of input 1
  parameter int unsigned VECTORS = 1,   // pixels a frame
  parameter int unsigned A_BITS = 1,
  parameter int unsigned A_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned B_BITS = 1,
  parameter int unsigned B_KIND = 0,
  parameter int unsigned OUT_BITS = 1   // as many as an input's when both are of one type; else wide enough for both
) (
  input  logic                          clk_i,
  input  logic                          rst_ni,
  input  logic [PE*(A_BITS+B_BITS)-1:0] s_tdata_i,  // input 0 lowest
  input  logic [1:0]                    s_tvalid_i,
  input  logic [1:0]                    s_tlast_i,
  output logic [1:0]                    s_tready_o,
  output logic [PE*OUT_BITS-1:0]        m_tdata_o,
  output logic                          m_tvalid_o,
  output logic                          m_tlast_o,
  input  logic                          m_tready_i
);
  localparam int unsigned STEPS = A_FOLD + B_FOLD;
  localparam int unsigned STEP_BITS = $clog2(STEPS);

  if (PE < 1 || A_FOLD < 1 || B_FOLD < 1 || VECTORS < 1 || A_BITS < 1 || B_BITS < 1) begin : gen_bad_size
    $fatal(1, "concat: sizes must be at least 1");
  end

  logic advance, step, last, turn, ready;  // turn: which input's
  logic [STEP_BITS-1:0] beat;
  boundary i_turn (.word_i(beat >= STEP_BITS'(A_FOLD)), .word_o(turn));
  counter #(.COUNT(STEPS)) i_beat (.clk_i, .rst_ni, .step_i(step), .value_o(beat), .last_o(last));

  step_control #(.DEPTH(1), .VECTORS(VECTORS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(last), .s_tvalid_i(s_tvalid_i[turn]), .s_tready_o(ready),
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance), .step_o(step)
  );
  assign s_tready_o = {ready && turn, ready && !turn};

  logic [PE*A_BITS-1:0] a;
  logic [PE*B_BITS-1:0] b;
  assign {b, a} = s_tdata_i;
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [OUT_BITS-1:0] wide_a, wide_b, chosen_q;
    widen #(.BITS(A_BITS), .KIND(A_KIND), .OUT_BITS(OUT_BITS)) i_a (.code_i(a[p*A_BITS+:A_BITS]), .code_o(wide_a));
    widen #(.BITS(B_BITS), .KIND(B_KIND), .OUT_BITS(OUT_BITS)) i_b (.code_i(b[p*B_BITS+:B_BITS]), .code_o(wide_b));
    always_ff @(posedge clk_i) if (advance) chosen_q <= turn ? wide_b : wide_a;
    assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = chosen_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * A_BITS), .BEATS(A_FOLD * VECTORS)) i_rules_a (
    .clk_i, .rst_ni, .tdata_i(a), .tvalid_i(s_tvalid_i[0]), .tlast_i(s_tlast_i[0]), .tready_i(s_tready_o[0])
  );
  stream_rules #(.WIDTH(PE * B_BITS), .BEATS(B_FOLD * VECTORS)) i_rules_b (
    .clk_i, .rst_ni, .tdata_i(b), .tvalid_i(s_tvalid_i[1]), .tlast_i(s_tlast_i[1]), .tready_i(s_tready_o[1])
  );
`endif
endmodule
