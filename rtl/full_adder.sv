// Adds three bits. On 7-series (HWQNN_XC7) one LUT6_2: instantiated, because a mapper that sees the logic takes it apart and spends two LUTs.
module full_adder (
  input  logic [2:0] bits_i,
  output logic [1:0] count_o
);
`ifdef HWQNN_XC7
  LUT6_2 #(.INIT(64'h96969696_E8E8E8E8)) i_lut (
    .O6(count_o[0]), .O5(count_o[1]), .I0(bits_i[0]), .I1(bits_i[1]), .I2(bits_i[2]), .I3(1'b0), .I4(1'b0), .I5(1'b1)
  );
`else
  assign count_o = 2'($countones(bits_i));
`endif
endmodule
