// The next address of a walk through all 2**BITS of them, in a scrambled order that costs one LUT up to 64 addresses, where a binary counter costs one a
// bit: a shift register whose feedback makes a de Bruijn sequence, which is a maximal LFSR's with the zero put in (taps from XAPP 052).
// Who only ever asks whether two addresses are equal, or writes and reads in the same order, needs no other.
module de_bruijn #(
  parameter int unsigned BITS = 1  // 1 to 16
) (
  input  logic [BITS-1:0] addr_i,
  output logic [BITS-1:0] next_o
);
  if (BITS < 1 || BITS > 16) begin : gen_bad_bits
    $fatal(1, "de_bruijn: BITS must be 1 to 16");
  end

  // Bit i - 1: x**i is a term of the polynomial.
  localparam logic [15:0] TAPS = BITS == 1 ? 16'h0001 : BITS == 2 ? 16'h0003 : BITS == 3 ? 16'h0006 : BITS == 4 ? 16'h000C : BITS == 5 ? 16'h0014 :
    BITS == 6 ? 16'h0030 : BITS == 7 ? 16'h0060 : BITS == 8 ? 16'h00B8 : BITS == 9 ? 16'h0110 : BITS == 10 ? 16'h0240 : BITS == 11 ? 16'h0500 :
    BITS == 12 ? 16'h0829 : BITS == 13 ? 16'h100D : BITS == 14 ? 16'h2015 : BITS == 15 ? 16'h6000 : 16'hD008;

  // Where all but the oldest bit are 0, the two successors change places: so 0 comes between 10...0 and 0...01.
  logic feedback, rest_is_zero;
  assign feedback = ^(addr_i & TAPS[BITS-1:0]) ^ rest_is_zero;
  if (BITS > 1) begin : gen_shift
    assign rest_is_zero = addr_i[BITS-2:0] == '0;
    logic newest;
    boundary i_newest (.word_i(feedback), .word_o(newest));
    assign next_o = {addr_i[BITS-2:0], newest};
  end else begin : gen_toggle
    assign rest_is_zero = 1'b1;
    assign next_o       = feedback;
  end
endmodule
