// A word of a table without a clock. Up to 8 words melt into the logic behind; more are a ROM apart (see rom).
module lookup #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 1,
  parameter FILE = "",                // for $readmemh, a word a line
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // a single word has no address
  input  logic [ADDR_BITS-1:0] addr_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [WIDTH-1:0]     word_o
);
  if (DEPTH > 8) begin : gen_apart
    rom #(.FILE_WIDTH(WIDTH), .WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(FILE)) i_rom (.addr_i, .word_o);
  end else begin : gen_melted
`ifdef YOSYS
    (* logic_block = 1 *)
`else
    (* rom_style = "distributed" *)
`endif
    logic [WIDTH-1:0] words[DEPTH];
    initial $readmemh(FILE, words);
    if (DEPTH > 1) begin : gen_words
      logic [ADDR_BITS-1:0] addr;  // behind a register of addresses yosys would make one of words instead
      boundary #(.WIDTH(ADDR_BITS)) i_addr (.word_i(addr_i), .word_o(addr));
      assign word_o = words[addr];
    end else begin : gen_one_word
      assign word_o = words[0];
    end
  end
endmodule
