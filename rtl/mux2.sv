// A word out of two. On 7-series (HWQNN_XC7) two bits share a LUT6_2, which a mapper that knows single-output LUTs only does not find.
module mux2 #(
  parameter int unsigned WIDTH = 1
) (
  input  logic             select_i,
  input  logic [WIDTH-1:0] zero_i,  // where select_i is 0
  input  logic [WIDTH-1:0] one_i,
  output logic [WIDTH-1:0] word_o
);
`ifdef HWQNN_XC7
  for (genvar b = 0; b < WIDTH; b += 2) begin : gen_bit
    if (b + 1 < WIDTH) begin : gen_pair
      LUT6_2 #(.INIT(64'hFF00_F0F0_CCCC_AAAA)) i_lut (
        .O6(word_o[b+1]), .O5(word_o[b]), .I0(zero_i[b]), .I1(one_i[b]), .I2(zero_i[b+1]), .I3(one_i[b+1]), .I4(select_i), .I5(1'b1)
      );
    end else begin : gen_single
      assign word_o[b] = select_i ? one_i[b] : zero_i[b];
    end
  end
`else
  assign word_o = select_i ? one_i : zero_i;
`endif
endmodule
