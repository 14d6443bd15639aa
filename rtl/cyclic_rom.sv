// A ROM that is only ever read in order, around and around: it shows the current word in a register and fetches the next one while that is used.
// So the look-up is off the data path.
// The first word is fetched during reset: hold rst_ni low for two cycles or more.
module cyclic_rom #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 1,
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
    rom #(.WIDTH(WIDTH), .DEPTH(1), .FILE(FILE)) i_rom (.addr_i(1'b0), .word_o);
  end else begin : gen_words
    logic [ADDR_BITS-1:0] addr_q;  // of the next word
    logic [WIDTH-1:0] word_d, word_q;
    logic rst_nq, primed_q;  // reset a cycle ago; word_q holds a word

    rom #(.WIDTH(WIDTH), .DEPTH(DEPTH), .FILE(FILE)) i_rom (.addr_i(addr_q), .word_o(word_d));

    initial rst_nq = 1'b1;

    always_ff @(posedge clk_i) begin
      rst_nq <= rst_ni;
      if (rst_nq && !rst_ni) begin  // reset begins; its second cycle fetches the first word
        addr_q   <= '0;
        primed_q <= 1'b0;
      end else if (next_i || !primed_q) begin
        word_q   <= word_d;
        addr_q   <= (addr_q == ADDR_BITS'(DEPTH - 1)) ? '0 : addr_q + ADDR_BITS'(1);
        primed_q <= 1'b1;
      end
    end
    assign word_o = word_q;
  end
endmodule
