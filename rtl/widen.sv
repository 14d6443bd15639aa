// The same number in more bits: a bipolar bit becomes +1 or -1, an unsigned number gets zeros, a signed one its sign. In as many bits it stays as it is.
module widen #(
  parameter int unsigned BITS = 1,
  parameter int unsigned KIND = 0,     // 0 bipolar, 1 unsigned, 2 signed
  parameter int unsigned OUT_BITS = 1
) (
  input  logic [BITS-1:0]     code_i,
  output logic [OUT_BITS-1:0] code_o
);
  if (OUT_BITS < BITS) begin : gen_bad_bits
    $fatal(1, "widen: OUT_BITS must be at least BITS");
  end

  if (OUT_BITS == BITS) begin : gen_same
    assign code_o = code_i;
  end else begin : gen_more
    localparam int unsigned MORE = OUT_BITS - BITS;
    if (KIND == 0) begin : gen_bipolar
      assign code_o = {{MORE{!code_i[0]}}, 1'b1};
    end else begin : gen_number
      assign code_o = {{MORE{KIND == 2 && code_i[BITS-1]}}, code_i};
    end
  end
endmodule
