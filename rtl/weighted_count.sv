// The sum of the constant weights of the inputs that are 1, without a clock. Bit b of the weights says which inputs count 2**b.
module weighted_count #(
  parameter int unsigned INPUTS = 1,
  parameter int unsigned WEIGHT_BITS = 1,
  parameter int unsigned OUT_BITS = 1,    // wide enough for the sum of all weights
  parameter FILE = ""                     // one word; the weight of input i at bit i * WEIGHT_BITS
) (
  input  logic [INPUTS-1:0]   bits_i,
  output logic [OUT_BITS-1:0] sum_o
);
  if (INPUTS < 1 || WEIGHT_BITS < 1 || OUT_BITS < 1) begin : gen_bad_size
    $fatal(1, "weighted_count: sizes must be at least 1");
  end

`ifdef YOSYS
  (* logic_block = 1 *)
`else
  (* rom_style = "distributed" *)
`endif
  logic [INPUTS*WEIGHT_BITS-1:0] words[1];
  initial $readmemh(FILE, words);

  logic [WEIGHT_BITS-1:0][INPUTS-1:0] counted;
  for (genvar b = 0; b < WEIGHT_BITS; b++) begin : gen_digit
    for (genvar i = 0; i < INPUTS; i++) begin : gen_input
      assign counted[b][i] = bits_i[i] && words[0][i*WEIGHT_BITS+b];
    end
  end

  always_comb begin
    sum_o = '0;
    for (int b = 0; b < WEIGHT_BITS; b++) sum_o += OUT_BITS'($countones(counted[b])) << b;
  end
endmodule
