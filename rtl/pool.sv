// The greatest of TAPS values, lane by lane, or the least in the lanes marked so. Beats of PE channels: for each pixel, for each of its FOLD tiles, the
// taps; see window with TILE = E. Comparing suffices for either: the least replaces on the opposite outcome.
module pool #(
  parameter int unsigned PE = 1,
  parameter int unsigned FOLD = 1,     // tiles a pixel
  parameter int unsigned TAPS = 1,
  parameter int unsigned PIXELS = 1,   // output pixels a frame
  parameter int unsigned BITS = 1,     // of a value
  parameter int unsigned SIGNED = 0,   // two's complement; the bits of bipolar and unsigned values order as they do
  parameter int unsigned MIN_ROWS = 0, // words in MIN_FILE: FOLD, 1 for all tiles alike, or 0 where all lanes want the greatest
  parameter MIN_FILE = ""              // bit p of word f: channel f * PE + p wants the least
) (
  input  logic               clk_i,
  input  logic               rst_ni,
  input  logic [PE*BITS-1:0] s_tdata_i,
  input  logic               s_tvalid_i,
  input  logic               s_tlast_i,
  output logic               s_tready_o,
  output logic [PE*BITS-1:0] m_tdata_o,
  output logic               m_tvalid_o,
  output logic               m_tlast_o,
  input  logic               m_tready_i
);
  localparam int unsigned TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;

  if (PE < 1 || FOLD < 1 || TAPS < 1 || PIXELS < 1 || BITS < 1) begin : gen_bad_size
    $fatal(1, "pool: sizes must be at least 1");
  end
  if (MIN_ROWS > 1 && MIN_ROWS != FOLD) begin : gen_bad_min_rows
    $fatal(1, "pool: MIN_ROWS must be 0, 1 or FOLD");
  end

  logic ready, step, first, last;
  logic [TAP_BITS-1:0] tap;
  boundary #(.WIDTH(2)) i_step (.word_i({ready, tap == '0}), .word_o({step, first}));  // a LUT each, that no lane makes again
  counter #(.COUNT(TAPS)) i_tap (.clk_i, .rst_ni, .step_i(step), .value_o(tap), .last_o(last));

  step_control #(.DEPTH(1), .VECTORS(PIXELS * FOLD)) i_control (
    .clk_i, .rst_ni, .need_i(1'b1), .give_i(last), .last_i(last), .s_tvalid_i, .s_tready_o,
    .m_tvalid_o, .m_tlast_o, .m_tready_i,
    /* verilator lint_off PINCONNECTEMPTY */  // its one register is the running best, which only steps change
    .advance_o(),
    /* verilator lint_on PINCONNECTEMPTY */
    .step_o(ready)
  );

  logic [PE-1:0] least;
  if (MIN_ROWS > 0) begin : gen_some_least
    cyclic_rom #(.WIDTH(PE), .DEPTH(MIN_ROWS), .FILE(MIN_FILE)) i_least (.clk_i, .rst_ni, .next_i(step && last), .word_o(least));
  end else begin : gen_all_greatest
    assign least = '0;
  end

  for (genvar p = 0; p < PE; p++) begin : gen_lane
    logic [BITS-1:0] x, best_q;
    assign x = s_tdata_i[p*BITS+:BITS];
    if (BITS == 1) begin : gen_bit  // the bit of a signed value means -1, so that the greatest is the AND
      always_ff @(posedge clk_i) if (step) best_q <= first ? x : least[p] != (SIGNED != 0) ? best_q & x : best_q | x;
    end else begin : gen_word
      logic above;
      greater #(.BITS(BITS), .SIGNED(SIGNED)) i_greater (.a_i(x), .b_i(best_q), .greater_o(above));
      always_ff @(posedge clk_i) if (step && (first || above != least[p])) best_q <= x;
    end
    assign m_tdata_o[p*BITS+:BITS] = best_q;
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(PE * BITS), .BEATS(PIXELS * FOLD * TAPS)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
