// The number of equal bits of two words: what a dot product of bipolar (+1/-1) vectors of SIZE elements is, up to 2 * count - SIZE.
module xnor_popcount #(
  parameter int unsigned SIZE = 1,
  localparam int unsigned COUNT_BITS = $clog2(SIZE + 1)
) (
  input  logic [SIZE-1:0]       a_i,
  input  logic [SIZE-1:0]       b_i,
  output logic [COUNT_BITS-1:0] count_o
);
  assign count_o = COUNT_BITS'($countones(a_i ~^ b_i));
endmodule
