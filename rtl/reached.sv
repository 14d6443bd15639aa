// Whether a value reaches a threshold that is a constant, or one of a few that are looked up: value >= threshold, both signed. On 7-series (HWQNN_XC7)
// digits of both are compared, of so many bits that a LUT6 holds them and the address, and then the threshold's own bits need no LUT: a carry chain
// goes up to the highest digit that differs; where up to three LUTs in a row do it, they do.
module reached #(
  parameter int unsigned BITS = 2,
  parameter int unsigned DIGIT = 6  // bits: 6 less the address bits that the threshold depends on
) (
  input  logic [BITS-1:0] value_i,
  input  logic [BITS-1:0] threshold_i,
  output logic            reached_o
);
  if (BITS < 1 || DIGIT < 1) begin : gen_bad_bits
    $fatal(1, "reached: BITS and DIGIT must be at least 1");
  end

`ifdef HWQNN_XC7
  // Sign bits count the other way round.
  logic [BITS-1:0] value, threshold;
  for (genvar i = 0; i < BITS; i++) begin : gen_bit
    assign value[i]     = i == BITS - 1 ? threshold_i[i] : value_i[i];
    assign threshold[i] = i == BITS - 1 ? value_i[i] : threshold_i[i];
  end

  // LUTs in a row: the lowest holds a digit, the others give a bit of it up for what comes from below.
  localparam int unsigned MORE = DIGIT > 1 ? DIGIT - 1 : 1;
  localparam int unsigned LUTS = BITS <= DIGIT ? 1 : DIGIT > 1 ? 1 + (BITS - DIGIT + MORE - 1) / MORE : 4;
  if (LUTS <= 3) begin : gen_luts
    logic [LUTS-1:0] below;
    for (genvar i = 0; i < LUTS; i++) begin : gen_lut
      localparam int unsigned FROM = i > 0 ? DIGIT + (i - 1) * MORE : 0;
      localparam int unsigned LEFT = BITS - FROM;
      localparam int unsigned HERE = i > 0 ? (LEFT < MORE ? LEFT : MORE) : (LEFT < DIGIT ? LEFT : DIGIT);
      logic so_far;
      if (i > 0) begin : gen_higher
        assign so_far = {value[FROM+:HERE], below[i-1]} > {threshold[FROM+:HERE], 1'b0};
      end else begin : gen_lowest
        assign so_far = value[FROM+:HERE] >= threshold[FROM+:HERE];
      end
      if (i + 1 < LUTS) begin : gen_passed
        boundary i_below (.word_i(so_far), .word_o(below[i]));
      end else begin : gen_last
        assign below[i] = so_far;
      end
    end
    assign reached_o = below[LUTS-1];
  end else begin : gen_chain
    localparam int unsigned DIGITS = (BITS + DIGIT - 1) / DIGIT;
    localparam int unsigned FOURS = (DIGITS + 2) / 4;  // of all digits but the lowest, which enters the chain
    /* verilator lint_off UNUSEDSIGNAL */  // the lowest digit is no part of the chain, whose last place is not always its end
    logic [DIGIT*DIGITS-1:0] wide_value, wide_threshold;
    logic [4*FOURS-1:0] equal, above, carry;
    /* verilator lint_on UNUSEDSIGNAL */
    logic low;
    assign wide_value     = (DIGIT * DIGITS)'(value);
    assign wide_threshold = (DIGIT * DIGITS)'(threshold);
    assign low            = value[DIGIT-1:0] >= threshold[DIGIT-1:0];
    for (genvar i = 0; i < 4 * FOURS; i++) begin : gen_digit
      if (i + 1 < DIGITS) begin : gen_compared
        assign equal[i] = wide_value[(i+1)*DIGIT+:DIGIT] == wide_threshold[(i+1)*DIGIT+:DIGIT];
        if (DIGIT > 1) begin : gen_above
          assign above[i] = wide_value[(i+1)*DIGIT+:DIGIT] > wide_threshold[(i+1)*DIGIT+:DIGIT];
        end else begin : gen_bit  // which counts where they differ
          assign above[i] = wide_value[i+1];
        end
      end else begin : gen_none
        assign equal[i] = 1'b0;
        assign above[i] = 1'b0;
      end
    end
    for (genvar i = 0; i < FOURS; i++) begin : gen_four
      /* verilator lint_off PINCONNECTEMPTY */  // no sums
      CARRY4 i_carry (
        .CO(carry[4*i+:4]), .O(), .CI(i > 0 ? carry[i>0?4*i-1:0] : 1'b0), .CYINIT(i == 0 ? low : 1'b0), .DI(above[4*i+:4]), .S(equal[4*i+:4])
      );
      /* verilator lint_on PINCONNECTEMPTY */
    end
    assign reached_o = carry[DIGITS-2];
  end
`else
  assign reached_o = $signed(value_i) >= $signed(threshold_i);
`endif
endmodule
