// A ROM without a clock, in LUTs. It stays a module of its own through synthesis: seeing nothing but the address, the mapper gives each bit one LUT6 per
// 64 words; together with its surroundings it would share subfunctions between bits and end up with three times that.
(* keep_hierarchy = "yes" *)
module rom #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 2,  // at least 2
  parameter FILE = "",  // for $readmemh, a word a line
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
  logic [WIDTH-1:0] words[DEPTH];
  initial $readmemh(FILE, words);
  assign word_o = words[addr_i];
endmodule
