// The greater of two values, or the less, without a clock.
module extreme #(
  parameter int unsigned BITS = 1,
  parameter int unsigned SIGNED = 0  // two's complement; the bits of bipolar and unsigned values order as they do
) (
  input  logic [BITS-1:0] a_i,
  input  logic [BITS-1:0] b_i,
  input  logic            least_i,
  output logic [BITS-1:0] value_o
);
  if (BITS < 1) begin : gen_bad_bits
    $fatal(1, "extreme: BITS must be at least 1");
  end

  if (BITS == 1) begin : gen_bit  // the bit of a signed value means -1, so that the greatest is the AND
    assign value_o = least_i != (SIGNED != 0) ? a_i & b_i : a_i | b_i;
  end else begin : gen_word
    localparam logic [BITS-1:0] SIGN = SIGNED != 0 ? {1'b1, {(BITS - 1) {1'b0}}} : '0;  // flipped, signed values order as unsigned ones
    logic greater;
    assign greater = (a_i ^ SIGN) > (b_i ^ SIGN);
    assign value_o = greater != least_i ? a_i : b_i;
  end
endmodule
