// The number of equal bits of two words: what a dot product of bipolar (+1/-1) vectors of SIZE elements is, up to 2 * count - SIZE.
// On 7-series a heap of counters, about 1.05 LUTs a bit where $countones takes 2.1; tests/rtl/test_proofs.py proves both the same.
module xnor_popcount #(
  parameter int unsigned SIZE = 1,
  localparam int unsigned COUNT_BITS = $clog2(SIZE + 1)
) (
  input  logic [SIZE-1:0]       a_i,
  input  logic [SIZE-1:0]       b_i,
  output logic [COUNT_BITS-1:0] count_o
);
`ifdef HWQNN_XC7
  localparam int unsigned TRIPLES = SIZE / 3;
  localparam int unsigned REST = SIZE % 3;
  logic [TRIPLES+REST+TRIPLES-1:0] heap;  // column 0: the triples' sums and the rest; column 1: the triples' carries

  for (genvar t = 0; t < TRIPLES; t++) begin : gen_triple
    logic [1:0] count;
    product_counter_3_2 #(.AGREE(1)) i_counter (.a_i(a_i[3*t+:3]), .b_i(b_i[3*t+:3]), .count_o(count));
    assign heap[t] = count[0];
    assign heap[TRIPLES+REST+t] = count[1];
  end
  if (REST > 0) begin : gen_rest
    assign heap[TRIPLES+:REST] = a_i[3*TRIPLES+:REST] ~^ b_i[3*TRIPLES+:REST];
  end
  bit_heap #(
    .COLUMNS(COUNT_BITS), .HEIGHTS((COUNT_BITS * 16)'({16'(TRIPLES), 16'(TRIPLES + REST)})), .BITS(TRIPLES + REST + TRIPLES)
  ) i_heap (.bits_i(heap), .sum_o(count_o));
`else
  assign count_o = COUNT_BITS'($countones(a_i ~^ b_i));
`endif
endmodule
