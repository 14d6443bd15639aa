// Gives each word STEPS steps later: in shift registers, or in a RAM whose one address goes around, reading a word before the new one takes its place.
// A shift register keeps a bit for 32 steps in a LUT (SRLC32E), a LUT RAM two of them (RAM32M), or one for 64 (RAM64X1S).
module delay_line #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned STEPS = 1,  // at least 2 in a RAM
  parameter int unsigned STORE = 0   // 0: shift registers, 1: LUT RAM, 2: block RAM
) (
  input  logic             clk_i,
  /* verilator lint_off UNUSEDSIGNAL */  // only an address is reset
  input  logic             rst_ni,
  /* verilator lint_on UNUSEDSIGNAL */
  input  logic             step_i,
  input  logic [WIDTH-1:0] word_i,
  output logic [WIDTH-1:0] word_o
);
  if (WIDTH < 1 || STEPS < 1 || STORE > 2) begin : gen_bad_size
    $fatal(1, "delay_line: WIDTH and STEPS must be at least 1, STORE 0, 1 or 2");
  end
  if (STORE != 0 && STEPS < 2) begin : gen_bad_ram
    $fatal(1, "delay_line: in a RAM, STEPS must be at least 2");
  end

  if (STORE == 0) begin : gen_shift
    logic [STEPS*WIDTH-1:0] wait_q;
    always_ff @(posedge clk_i) if (step_i) wait_q <= (STEPS * WIDTH)'({wait_q, word_i});
    assign word_o = wait_q[(STEPS-1)*WIDTH+:WIDTH];
  end else begin : gen_ram
    // Block RAM gives a word a step later, so it holds a word less.
    localparam int unsigned WORDS = STORE == 2 ? STEPS - 1 : STEPS;
    localparam int unsigned ADDR_BITS = WORDS > 1 ? $clog2(WORDS) : 1;
    logic [ADDR_BITS-1:0] addr;
    counter #(.COUNT(WORDS)) i_addr (
      .clk_i, .rst_ni, .step_i, .value_o(addr),
      /* verilator lint_off PINCONNECTEMPTY */  // it goes around by itself
      .last_o()
      /* verilator lint_on PINCONNECTEMPTY */
    );
    if (STORE == 2) begin : gen_block_ram
      (* ram_style = "block" *) logic [WIDTH-1:0] words[WORDS];
      logic [WIDTH-1:0] read_q;
      always_ff @(posedge clk_i) begin
        if (step_i) begin
          read_q <= words[addr];
          words[addr] <= word_i;
        end
      end
      assign word_o = read_q;
    end else begin : gen_lut_ram
      (* ram_style = "distributed" *) logic [WIDTH-1:0] words[STEPS];
      always_ff @(posedge clk_i) if (step_i) words[addr] <= word_i;
      assign word_o = words[addr];
    end
  end
endmodule
