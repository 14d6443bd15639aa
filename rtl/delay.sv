// A word, DEPTH advancing cycles later. The reset keeps it in flip-flops, which lie idle beside most LUTs: a mapper would make LUTs of the shift register.
module delay #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 1   // 0: wires
) (
  /* verilator lint_off UNUSEDSIGNAL */  // wires have no clock
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             advance_i,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic [WIDTH-1:0] word_i,
  output logic [WIDTH-1:0] word_o
);
  if (DEPTH == 0) begin : gen_wires
    assign word_o = word_i;
  end else begin : gen_registers
    logic [DEPTH*WIDTH-1:0] words_q;
    logic [(DEPTH+1)*WIDTH-1:0] words;
    assign words = {words_q, word_i};
    always_ff @(posedge clk_i) begin
      if (!rst_ni) words_q <= '0;
      else if (advance_i) words_q <= words[DEPTH*WIDTH-1:0];
    end
    assign word_o = words[DEPTH*WIDTH+:WIDTH];
  end
endmodule
