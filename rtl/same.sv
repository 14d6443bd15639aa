// Whether two words are equal: three bits of each a LUT, and one that joins up to six of these. A mapper that looks through it makes more of it together
// with what surrounds it, and nobody could say how many.
module same #(
  parameter int unsigned BITS = 1
) (
  input  logic [BITS-1:0] a_i,
  input  logic [BITS-1:0] b_i,
  output logic            same_o
);
  localparam int unsigned THREES = (BITS + 2) / 3;

  if (BITS < 1) begin : gen_bad_bits
    $fatal(1, "same: BITS must be at least 1");
  end

  logic [THREES-1:0] found, three;
  for (genvar i = 0; i < THREES; i++) begin : gen_three
    localparam int unsigned PART = BITS - 3 * i < 3 ? BITS - 3 * i : 3;
    assign found[i] = a_i[3*i+:PART] == b_i[3*i+:PART];
  end
  boundary #(.WIDTH(THREES)) i_threes (.word_i(found), .word_o(three));
  if (THREES > 1) begin : gen_joined
    boundary i_all (.word_i(&three), .word_o(same_o));
  end else begin : gen_one
    assign same_o = three;
  end
endmodule
