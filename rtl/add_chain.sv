// a + b, modulo 2**BITS. On 7-series (HWQNN_XC7) by a carry chain that a_i enters as it is, so that a LUT a bit does the rest: what b_i is made of, and the
// sum. A mapper that takes b_i for the chain's own input makes two.
module add_chain #(
  parameter int unsigned BITS = 1
) (
  input  logic [BITS-1:0] a_i,
  input  logic [BITS-1:0] b_i,
  output logic [BITS-1:0] sum_o
);
`ifdef HWQNN_XC7
  localparam int unsigned FOURS = (BITS + 3) / 4;
  logic [FOURS*4-1:0] a, half;
  /* verilator lint_off UNUSEDSIGNAL */  // of the last four bits
  logic [FOURS*4-1:0] carry, sum;
  /* verilator lint_on UNUSEDSIGNAL */
  assign a = (FOURS * 4)'(a_i);
  assign half = (FOURS * 4)'(a_i ^ b_i);
  for (genvar i = 0; i < FOURS; i++) begin : gen_four
    if (i == 0) begin : gen_first
      CARRY4 i_carry (.CI(1'b0), .CYINIT(1'b0), .DI(a[3:0]), .S(half[3:0]), .O(sum[3:0]), .CO(carry[3:0]));
    end else begin : gen_next
      CARRY4 i_carry (.CI(carry[i*4-1]), .CYINIT(1'b0), .DI(a[i*4+:4]), .S(half[i*4+:4]), .O(sum[i*4+:4]), .CO(carry[i*4+:4]));
    end
  end
  assign sum_o = sum[BITS-1:0];
`else
  assign sum_o = a_i + b_i;
`endif
endmodule
