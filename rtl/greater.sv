// Whether a is greater than b, or where they are equal EQUAL, without a clock. On 7-series (HWQNN_XC7) a LUT6_2 says of two bits of both whether they are
// equal and whether a's are greater, and a carry chain goes up to the highest pair that differs: a LUT for two bits, where a mapper makes two for three.
// Up to five bits, whose lowest three fit a LUT, two LUTs in a row are as small, and save the chain.
module greater #(
  parameter int unsigned BITS = 1,
  parameter int unsigned SIGNED = 0,  // two's complement; the bits of bipolar and unsigned values order as they do
  parameter bit EQUAL = 1'b0
) (
  input  logic [BITS-1:0] a_i,
  input  logic [BITS-1:0] b_i,
  output logic            greater_o
);
  if (BITS < 1) begin : gen_bad_bits
    $fatal(1, "greater: BITS must be at least 1");
  end

  logic [BITS-1:0] a, b;
  for (genvar i = 0; i < BITS; i++) begin : gen_bit
    localparam bit SIGN = SIGNED != 0 && i == BITS - 1;  // which counts the other way round
    assign a[i] = SIGN ? b_i[i] : a_i[i];
    assign b[i] = SIGN ? a_i[i] : b_i[i];
  end

`ifdef HWQNN_XC7
  localparam int unsigned PAIRS = (BITS + 1) / 2;
  localparam int unsigned FOURS = (PAIRS + 3) / 4;
  if (BITS < 3) begin : gen_melted
    assign greater_o = {a, EQUAL} > {b, 1'b0};
  end else if (BITS <= 5) begin : gen_luts
    logic low;  // of the three lowest bits, or two
    if (BITS % 2 == 1) begin : gen_three
      LUT6 #(.INIT(EQUAL ? 64'hB0FB_0000_FFFF_B0FB : 64'h20F2_0000_FFFF_20F2)) i_lut (.O(low), .I0(a[0]), .I1(b[0]), .I2(a[1]), .I3(b[1]), .I4(a[2]), .I5(b[2]));
    end else begin : gen_two
      LUT4 #(.INIT(EQUAL ? 16'hB0FB : 16'h20F2)) i_lut (.O(low), .I0(a[0]), .I1(b[0]), .I2(a[1]), .I3(b[1]));
    end
    if (BITS > 3) begin : gen_high
      LUT5 #(.INIT(32'hB0FB_20F2)) i_lut (.O(greater_o), .I0(a[BITS-2]), .I1(b[BITS-2]), .I2(a[BITS-1]), .I3(b[BITS-1]), .I4(low));
    end else begin : gen_all
      assign greater_o = low;
    end
  end else begin : gen_chain
    logic [2*PAIRS-1:0] wide_a, wide_b;
    /* verilator lint_off UNUSEDSIGNAL */  // the chain's last place is not always its end
    logic [4*FOURS-1:0] equal, above, carry;
    /* verilator lint_on UNUSEDSIGNAL */
    assign wide_a = (2 * PAIRS)'(a);
    assign wide_b = (2 * PAIRS)'(b);
    for (genvar i = 0; i < 4 * FOURS; i++) begin : gen_pair
      if (i < PAIRS) begin : gen_lut
        LUT6_2 #(.INIT(64'h9009_9009_20F2_20F2)) i_lut (
          .O6(equal[i]), .O5(above[i]), .I0(wide_a[2*i]), .I1(wide_b[2*i]), .I2(wide_a[2*i+1]), .I3(wide_b[2*i+1]), .I4(1'b0), .I5(1'b1)
        );
      end else begin : gen_none
        assign equal[i] = 1'b0;
        assign above[i] = 1'b0;
      end
    end
    for (genvar i = 0; i < FOURS; i++) begin : gen_four
      /* verilator lint_off PINCONNECTEMPTY */  // no sums
      CARRY4 i_carry (
        .CO(carry[4*i+:4]), .O(), .CI(i > 0 ? carry[i>0?4*i-1:0] : 1'b0), .CYINIT(i == 0 ? EQUAL : 1'b0), .DI(above[4*i+:4]), .S(equal[4*i+:4])
      );
      /* verilator lint_on PINCONNECTEMPTY */
    end
    assign greater_o = carry[PAIRS-1];
  end
`else
  assign greater_o = {a, EQUAL} > {b, 1'b0};
`endif
endmodule
