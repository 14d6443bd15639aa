// A word out of at most 16. On 7-series (HWQNN_XC7) a LUT6 chooses among four bits, and a slice's own multiplexers join four of these: four LUTs a
// bit, where a mapper makes seven to nine. Two words share a LUT6_2 for each two bits.
module choose_slice #(
  parameter int unsigned WIDTH = 1,
  parameter int unsigned COUNT = 2,
  localparam int unsigned INDEX_BITS = COUNT > 1 ? $clog2(COUNT) : 1
) (
  input  logic [COUNT-1:0][WIDTH-1:0] words_i,
  /* verilator lint_off UNUSEDSIGNAL */  // a single word needs no choosing
  input  logic [INDEX_BITS-1:0]       index_i,  // below COUNT
  /* verilator lint_on UNUSEDSIGNAL */
  output logic [WIDTH-1:0]            word_o
);
  if (COUNT < 1 || COUNT > 16) begin : gen_bad_count
    $fatal(1, "choose_slice: COUNT must be 1 to 16");
  end

  if (COUNT == 1) begin : gen_one
    assign word_o = words_i[0];
  end else if (COUNT == 2) begin : gen_two
    mux2 #(.WIDTH(WIDTH)) i_mux (.select_i(index_i[0]), .zero_i(words_i[0]), .one_i(words_i[1]), .word_o(word_o));
  end else begin : gen_more
`ifdef HWQNN_XC7
    localparam int unsigned FOURS = (COUNT + 3) / 4;
    for (genvar b = 0; b < WIDTH; b++) begin : gen_bit
      logic [4*FOURS-1:0] bits;
      logic [FOURS-1:0] four;
      for (genvar i = 0; i < 4 * FOURS; i++) begin : gen_word
        assign bits[i] = i < COUNT ? words_i[i<COUNT?i:0][b] : 1'b0;
      end
      for (genvar i = 0; i < FOURS; i++) begin : gen_four
        LUT6 #(.INIT(64'hFF00_F0F0_CCCC_AAAA)) i_lut (
          .O(four[i]), .I0(bits[4*i]), .I1(bits[4*i+1]), .I2(bits[4*i+2]), .I3(bits[4*i+3]), .I4(index_i[0]), .I5(index_i[1])
        );
      end
      if (FOURS == 1) begin : gen_lut
        assign word_o[b] = four[0];
      end else if (FOURS == 2) begin : gen_two_luts
        MUXF7 i_low (.O(word_o[b]), .I0(four[0]), .I1(four[1]), .S(index_i[2]));
      end else begin : gen_more_luts
        logic low, high;
        MUXF7 i_low (.O(low), .I0(four[0]), .I1(four[1]), .S(index_i[2]));
        MUXF7 i_high (.O(high), .I0(four[2]), .I1(four[FOURS-1]), .S(index_i[2]));
        MUXF8 i_all (.O(word_o[b]), .I0(low), .I1(high), .S(index_i[3]));
      end
    end
`else
    assign word_o = words_i[index_i];
`endif
  end
endmodule
