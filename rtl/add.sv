// Adds two streams element by element. A step waits for a beat of both and takes both; the sum is registered.
module add #(
  parameter int unsigned PE = 1,        // elements a beat
  parameter int unsigned BEATS = 1,     // per frame
  parameter int unsigned A_BITS = 1,    // of an element of input 0
  parameter int unsigned A_KIND = 0,    // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned B_BITS = 1,    // of an element of input 1
  parameter int unsigned B_KIND = 0,
  parameter int unsigned OUT_BITS = 3   // wide enough for every sum
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

  if (PE < 1 || BEATS < 1 || A_BITS < 1 || B_BITS < 1) begin : gen_bad_size
    $fatal(1, "add: sizes must be at least 1");
  end

  logic advance, both;
  assign both = &s_tvalid_i;

  step_control #(.DEPTH(1), .VECTORS(BEATS)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(1'b1), .s_tvalid_i(both),
    /* verilator lint_off PINCONNECTEMPTY */  // of both inputs: each of them waits for the other
    .s_tready_o(),
    .step_o(),  // all that moves is in there
    /* verilator lint_on PINCONNECTEMPTY */
    .m_tvalid_o, .m_tlast_o, .m_tready_i, .advance_o(advance)
  );
  assign s_tready_o = {advance && s_tvalid_i[0], advance && s_tvalid_i[1]};

  logic [PE*A_BITS-1:0] a;
  logic [PE*B_BITS-1:0] b;
  assign {b, a} = s_tdata_i;
  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [OUT_BITS-1:0] wide_a, wide_b, sum_q;
    widen #(.BITS(A_BITS), .KIND(A_KIND), .OUT_BITS(OUT_BITS)) i_a (.code_i(a[p*A_BITS+:A_BITS]), .code_o(wide_a));
    widen #(.BITS(B_BITS), .KIND(B_KIND), .OUT_BITS(OUT_BITS)) i_b (.code_i(b[p*B_BITS+:B_BITS]), .code_o(wide_b));
    always_ff @(posedge clk_i) if (advance) sum_q <= wide_a + wide_b;
    assign m_tdata_o[p*OUT_BITS+:OUT_BITS] = sum_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * A_BITS), .BEATS(BEATS)) i_rules_a (
    .clk_i, .rst_ni, .tdata_i(a), .tvalid_i(s_tvalid_i[0]), .tlast_i(s_tlast_i[0]), .tready_i(s_tready_o[0])
  );
  stream_rules #(.WIDTH(PE * B_BITS), .BEATS(BEATS)) i_rules_b (
    .clk_i, .rst_ni, .tdata_i(b), .tvalid_i(s_tvalid_i[1]), .tlast_i(s_tlast_i[1]), .tready_i(s_tready_o[1])
  );
`endif
endmodule
