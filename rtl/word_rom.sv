// The words of a file, in LUTs and without a clock.
module word_rom #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 1,
  parameter FILE = "",  // for $readmemh, a word a line
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  /* verilator lint_off UNUSEDSIGNAL */  // a single word has no address
  input  logic [ADDR_BITS-1:0] addr_i,
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [WIDTH-1:0]     word_o
);
  // In pieces for 7-series: hundreds of bits at once tempt the mapper to share between them, which costs a tenth more LUTs.
`ifdef HWQNN_XC7
  localparam int unsigned CHUNK = 64;
`else
  localparam int unsigned CHUNK = WIDTH;
`endif

  if (WIDTH < 1 || DEPTH < 1) begin : gen_bad_size
    $fatal(1, "word_rom: sizes must be at least 1");
  end
  if (DEPTH == 1) begin : gen_one_word
    logic [WIDTH-1:0] words[1];
    initial $readmemh(FILE, words);
    assign word_o = words[0];
  end else begin : gen_words
    for (genvar c = 0; c < (WIDTH + CHUNK - 1) / CHUNK; c++) begin : gen_chunk
      localparam int unsigned FROM = c * CHUNK;
      localparam int unsigned BITS = FROM + CHUNK <= WIDTH ? CHUNK : WIDTH - FROM;
      rom #(.FILE_WIDTH(WIDTH), .FROM(FROM), .WIDTH(BITS), .DEPTH(DEPTH), .FILE(FILE)) i_rom (.addr_i, .word_o(word_o[FROM+:BITS]));
    end
  end
endmodule
