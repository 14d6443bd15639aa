// Counts the ones among three one-bit products: on 7-series (HWQNN_XC7) gates and a full adder in two LUT6. Instantiated for the reason given in full_adder.
module product_counter_3_2 #(
  parameter bit AGREE = 1'b0,       // a product is 1 where the bits are equal (XNOR); else where both are 1 (AND)
  parameter bit INVERT_A = 1'b0,
  parameter bit INVERT = 1'b0       // of the product
) (
  input  logic [2:0] a_i,
  input  logic [2:0] b_i,
  output logic [1:0] count_o
);
`ifdef HWQNN_XC7
  // Bit `which` of the count, for every value {b, a} of the six inputs.
  function automatic logic [63:0] init(int which);
    logic [2:0] a, b, product;
    for (int i = 0; i < 64; i++) begin
      a = 3'(i) ^ {3{INVERT_A}};
      b = 3'(i >> 3);
      product = (AGREE ? a ~^ b : a & b) ^ {3{INVERT}};
      init[i] = which == 0 ? ^product : (product[0] & product[1]) | (product[0] & product[2]) | (product[1] & product[2]);
    end
  endfunction
  for (genvar c = 0; c < 2; c++) begin : gen_count
    LUT6 #(.INIT(init(c))) i_lut (.O(count_o[c]), .I0(a_i[0]), .I1(a_i[1]), .I2(a_i[2]), .I3(b_i[0]), .I4(b_i[1]), .I5(b_i[2]));
  end
`else
  logic [2:0] a, product;
  assign a = a_i ^ {3{INVERT_A}};
  assign product = (AGREE ? a ~^ b_i : a & b_i) ^ {3{INVERT}};
  assign count_o = 2'($countones(product));
`endif
endmodule
