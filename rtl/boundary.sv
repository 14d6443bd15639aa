// Wires that a mapper does not look through: what is computed before them and what behind them stay LUTs of their own, as a reader would draw them. They
// take nothing themselves. Left to itself, yosys makes two to six LUTs of a function that two hold.
(* keep_hierarchy = "yes" *)
module boundary #(
  parameter int unsigned WIDTH = 1
) (
  input  logic [WIDTH-1:0] word_i,
  output logic [WIDTH-1:0] word_o
);
  assign word_o = word_i;
endmodule
