// A LUT RAM: a word in at the clock, a word out without one. On 7-series (HWQNN_XC7) it is banks of 64 words, the last of 32 where that is enough (RAM64M:
// three bits of 64 words in four LUTs; RAM32M: six of 32), and a tree of multiplexers: of one large array yosys 0.70 makes two to four times as many LUTs
// for choosing.
module lut_ram #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned DEPTH = 2,
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1
) (
  input  logic                 clk_i,
  input  logic                 write_i,
  input  logic [ADDR_BITS-1:0] write_addr_i,
  input  logic [WIDTH-1:0]     word_i,
  input  logic [ADDR_BITS-1:0] read_addr_i,
  output logic [WIDTH-1:0]     word_o
);
`ifdef HWQNN_XC7
  localparam int unsigned BANK = 64;
`else
  localparam int unsigned BANK = DEPTH > 64 ? DEPTH : 64;
`endif
  localparam int unsigned BANKS = (DEPTH + BANK - 1) / BANK;

  if (WIDTH < 1 || DEPTH < 1) begin : gen_bad_size
    $fatal(1, "lut_ram: WIDTH and DEPTH must be at least 1");
  end

  // Behind a register of addresses yosys would make a RAM with a clock of this, and a second such register.
  logic [ADDR_BITS-1:0] read_addr;
  boundary #(.WIDTH(ADDR_BITS)) i_read_addr (.word_i(read_addr_i), .word_o(read_addr));

  if (BANKS == 1) begin : gen_one_bank
    (* ram_style = "distributed" *) logic [WIDTH-1:0] words[DEPTH];
    always_ff @(posedge clk_i) if (write_i) words[write_addr_i] <= word_i;
    assign word_o = words[read_addr];
  end else begin : gen_banks
    localparam int unsigned WORD_BITS = $clog2(BANK);
    logic [BANKS*WIDTH-1:0] read;
    for (genvar b = 0; b < BANKS; b++) begin : gen_bank
      localparam int unsigned WORDS = DEPTH - b * BANK > BANK / 2 ? BANK : BANK / 2;
      (* ram_style = "distributed" *) logic [WIDTH-1:0] words[WORDS];
      logic write;
      assign write = write_i && write_addr_i[ADDR_BITS-1:WORD_BITS] == (ADDR_BITS - WORD_BITS)'(b);
      always_ff @(posedge clk_i) if (write) words[write_addr_i[$clog2(WORDS)-1:0]] <= word_i;
      assign read[b*WIDTH+:WIDTH] = words[read_addr[$clog2(WORDS)-1:0]];
    end
    choose #(.WIDTH(WIDTH), .COUNT(BANKS)) i_choose (.words_i(read), .index_i(read_addr[ADDR_BITS-1:WORD_BITS]), .word_o);
  end
endmodule
