// Counts the equal bits of two 3-bit words: three XNORs and a full adder in two LUT6. Instantiated for the reason given in full_adder.
module xnor_counter_3_2 (
  input  logic [2:0] a_i,
  input  logic [2:0] b_i,
  output logic [1:0] count_o
);
`ifdef SYNTHESIS
  LUT6 #(.INIT(64'h9669_6996_6996_9669)) i_sum (
    .O(count_o[0]), .I0(a_i[0]), .I1(a_i[1]), .I2(a_i[2]), .I3(b_i[0]), .I4(b_i[1]), .I5(b_i[2])
  );
  LUT6 #(.INIT(64'hE8D4_B271_8E4D_2B17)) i_carry (
    .O(count_o[1]), .I0(a_i[0]), .I1(a_i[1]), .I2(a_i[2]), .I3(b_i[0]), .I4(b_i[1]), .I5(b_i[2])
  );
`else
  assign count_o = 2'($countones(a_i ~^ b_i));
`endif
endmodule
