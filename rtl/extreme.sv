// The greater of two values, or the less, or the first of them whatever it is, without a clock.
module extreme #(
  parameter int unsigned BITS = 1,
  parameter int unsigned SIGNED = 0  // two's complement; the bits of bipolar and unsigned values order as they do
) (
  input  logic [BITS-1:0] a_i,
  input  logic [BITS-1:0] b_i,
  input  logic            first_i,
  input  logic            least_i,
  output logic [BITS-1:0] value_o
);
  if (BITS < 1) begin : gen_bad_bits
    $fatal(1, "extreme: BITS must be at least 1");
  end

  if (BITS == 1) begin : gen_bit  // the bit of a signed value means -1, so that the greatest is the AND
    assign value_o = first_i ? a_i : least_i != (SIGNED != 0) ? a_i & b_i : a_i | b_i;
  end else begin : gen_word
    logic above;
    greater #(.BITS(BITS), .SIGNED(SIGNED)) i_greater (.a_i, .b_i, .greater_o(above));
    mux2 #(.WIDTH(BITS)) i_mux (.select_i(first_i || above != least_i), .zero_i(b_i), .one_i(a_i), .word_o(value_o));
  end
endmodule
