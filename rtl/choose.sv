// A word out of COUNT: among 16 at a time, then among those that were chosen.
module choose #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned COUNT = 2,
  localparam int unsigned INDEX_BITS = COUNT > 1 ? $clog2(COUNT) : 1
) (
  input  logic [COUNT-1:0][WIDTH-1:0] words_i,
  input  logic [INDEX_BITS-1:0]       index_i,  // below COUNT
  output logic [WIDTH-1:0]            word_o
);
  localparam int unsigned LEVELS = (INDEX_BITS + 3) / 4;

  if (COUNT < 1) begin : gen_bad_count
    $fatal(1, "choose: COUNT must be at least 1");
  end

  // Level l holds the words that remain, in its low places.
  /* verilator lint_off UNUSEDSIGNAL */
  logic [LEVELS:0][COUNT-1:0][WIDTH-1:0] words;
  /* verilator lint_on UNUSEDSIGNAL */
  assign words[0] = words_i;
  for (genvar l = 0; l < LEVELS; l++) begin : gen_level
    localparam int unsigned BEFORE = (COUNT + (1 << (4 * l)) - 1) >> (4 * l);
    for (genvar i = 0; i < COUNT; i++) begin : gen_place
      if (16 * i < BEFORE) begin : gen_chosen
        localparam int unsigned PART = BEFORE - 16 * i < 16 ? BEFORE - 16 * i : 16;
        choose_slice #(.WIDTH(WIDTH), .COUNT(PART)) i_slice (
          .words_i(words[l][16*i+:PART]), .index_i(index_i[4*l+:(PART>1?$clog2(PART):1)]), .word_o(words[l+1][i])
        );
      end else begin : gen_empty
        assign words[l+1][i] = '0;
      end
    end
  end
  assign word_o = words[LEVELS][0];
endmodule
