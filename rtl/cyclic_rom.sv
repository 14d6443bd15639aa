// A ROM that is only ever read in order, around and around: it shows the current word in a register and fetches the next one while that is used.
// So the look-up is off the data path. A block RAM takes longer than any logic to show a word: there, one more word is on its way, in the RAM's own output
// register, which the multiplexer among several RAMs comes behind.
module cyclic_rom #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 1,
  parameter bit BLOCK_RAM = 1'b0,  // in block RAM instead of LUTs
  parameter FILE = ""  // for $readmemh, a word a line
) (
  /* verilator lint_off UNUSEDSIGNAL */  // a single word needs no fetching
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             next_i,  // go to the next word
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [WIDTH-1:0] word_o
);
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  if (DEPTH == 1) begin : gen_one_word
    logic [WIDTH-1:0] words[1];
    initial $readmemh(FILE, words);
    assign word_o = words[0];
  end else begin : gen_words
    // Reset puts the first word into the register: a constant, which costs flip-flops nothing, and makes the block RAM fetch the second one. Yosys makes
    // flip-flops of all words that it reads, before it sees that one is used; Verilator wants room for the whole file.
`ifdef YOSYS
    localparam int unsigned READ = 1;
    (* logic_block = 1 *)
`else
    localparam int unsigned READ = DEPTH;
`endif
    logic [WIDTH-1:0] first_words[READ];
    initial $readmemh(FILE, first_words, 0, READ - 1);

    localparam int unsigned FETCHED = BLOCK_RAM ? 2 : 1;  // words that are shown or on their way
    logic [ADDR_BITS-1:0] addr;                           // of the one after them
    counter #(.COUNT(DEPTH), .START(FETCHED % DEPTH)) i_addr (
      .clk_i, .rst_ni, .step_i(next_i), .value_o(addr),
      /* verilator lint_off PINCONNECTEMPTY */  // the first follows it in any case
      .last_o()
      /* verilator lint_on PINCONNECTEMPTY */
    );

    logic [WIDTH-1:0] word_d, word_q;
    if (BLOCK_RAM) begin : gen_block_ram
      (* ram_style = "block", rom_style = "block" *) logic [WIDTH-1:0] words[DEPTH];
      initial $readmemh(FILE, words);
      logic [WIDTH-1:0] read_q;
      always_ff @(posedge clk_i) if (next_i || !rst_ni) read_q <= words[rst_ni ? addr : ADDR_BITS'(1)];
      assign word_d = read_q;
    end else begin : gen_luts
      word_rom #(.WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(FILE)) i_rom (.addr_i(addr), .word_o(word_d));
    end
    always_ff @(posedge clk_i) begin
      if (!rst_ni) word_q <= first_words[0];
      else if (next_i) word_q <= word_d;
    end
    assign word_o = word_q;
  end
endmodule
