// Counts the ones of seven bits. On 7-series (HWQNN_XC7) two LUTs and half a CARRY4 (Preusser, "Generic and universal parallel matrix summation with a
// flexible compression goal for Xilinx FPGAs", 2017), where LUTs alone take four or more. With h = half the ones of bits 0 to 4, rounded down, the chain
// adds (parity of bits 0 to 4) + bit 5 + bit 6, and then its carry to h.
module counter_7_3 (
  input  logic [6:0] bits_i,
  output logic [2:0] count_o
);
`ifdef HWQNN_XC7
  logic parity, h_is_1, h_is_2;
  /* verilator lint_off UNUSEDSIGNAL */  // half of the chain
  logic [3:0] sum, carry;
  /* verilator lint_on UNUSEDSIGNAL */
  LUT6 #(.INIT(64'h6996_9669_9669_6996)) i_parity (
    .O(parity), .I0(bits_i[0]), .I1(bits_i[1]), .I2(bits_i[2]), .I3(bits_i[3]), .I4(bits_i[4]), .I5(bits_i[5])
  );
  LUT6_2 #(.INIT(64'h177E_7EE8_E880_8000)) i_half (
    .O6(h_is_1), .O5(h_is_2), .I0(bits_i[0]), .I1(bits_i[1]), .I2(bits_i[2]), .I3(bits_i[3]), .I4(bits_i[4]), .I5(1'b1)
  );
  CARRY4 i_chain (
    .O(sum), .CO(carry), .CI(1'b0), .CYINIT(bits_i[6]), .S({2'b00, h_is_1, parity}), .DI({2'b00, h_is_2, bits_i[5]})
  );
  assign count_o = {carry[1], sum[1:0]};
`else
  assign count_o = 3'($countones(bits_i));
`endif
endmodule
