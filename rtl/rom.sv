// A ROM without a clock, in LUTs: some bits of each word of a file. It stays a module of its own through synthesis: seeing nothing but the address, the
// mapper gives each bit one LUT6 per 64 words; together with its surroundings it shares subfunctions between bits and ends up with three times that.
(* keep_hierarchy = "yes" *)
module rom #(
  parameter int unsigned FILE_WIDTH = 1,  // of a word in the file
  parameter int unsigned FROM = 0,        // its first bit that is wanted
  parameter int unsigned WIDTH = 1,       // and how many
  parameter int unsigned DEPTH = 2,       // at least 2
  parameter FILE = "",                    // for $readmemh, a word a line
  localparam int unsigned ADDR_BITS = $clog2(DEPTH)
) (
  input  logic [ADDR_BITS-1:0] addr_i,
  output logic [WIDTH-1:0]     word_o
);
`ifdef YOSYS
  (* logic_block = 1 *)
`else
  (* rom_style = "distributed" *)
`endif
  logic [FILE_WIDTH-1:0] words[DEPTH];
  initial $readmemh(FILE, words);
  assign word_o = words[addr_i][FROM+:WIDTH];
endmodule
