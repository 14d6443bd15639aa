// Where in a ROM of several parts the part of the present pixel begins, for pixels that come row by row: what the pixel's row says plus what its
// column says. So a table by kind of position (corner, edge, inside) needs neither a word per pixel nor an address that is multiplied.
module position_base #(
  parameter int unsigned ROWS = 1,
  parameter int unsigned COLUMNS = 1,
  parameter int unsigned BITS = 1,     // of the sum
  parameter ROW_FILE = "",             // ROWS words of BITS bits
  parameter COLUMN_FILE = ""           // COLUMNS words of BITS bits
) (
  input  logic            clk_i,
  input  logic            rst_ni,
  input  logic            next_i,      // go to the next pixel
  output logic [BITS-1:0] base_o
);
  logic last_column;
  if (COLUMNS > 1) begin : gen_columns
    localparam int unsigned COLUMN_BITS = $clog2(COLUMNS);
    logic [COLUMN_BITS-1:0] column_q;
    logic last_column_q;  // a register, for the row's word waits for it
    assign last_column = last_column_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni || (next_i && last_column)) column_q <= '0;
      else if (next_i) column_q <= column_q + COLUMN_BITS'(1);
      if (!rst_ni) last_column_q <= 1'b0;
      else if (next_i) last_column_q <= column_q == COLUMN_BITS'(COLUMNS - 2);
    end
  end else begin : gen_one_column
    assign last_column = 1'b1;
  end

  logic [BITS-1:0] row, column;
  cyclic_rom #(.WIDTH(BITS), .DEPTH(COLUMNS), .FILE(COLUMN_FILE)) i_columns (.clk_i, .rst_ni, .next_i, .word_o(column));
  cyclic_rom #(.WIDTH(BITS), .DEPTH(ROWS), .FILE(ROW_FILE)) i_rows (.clk_i, .rst_ni, .next_i(next_i && last_column), .word_o(row));
  assign base_o = row + column;
endmodule
