// Adds a heap of bits: column c holds HEIGHTS' c-th field many bits of weight 2**c. One stage of counters, then itself on the lower heap that they leave,
// until two rows are left for an adder. All columns shrink at once, by 7/3 a stage, so the depth grows with the logarithm of the height.
module bit_heap #(
  parameter int unsigned COLUMNS = 1,                   // the sum has as many bits, and must fit them
  parameter logic [COLUMNS*16-1:0] HEIGHTS = 1,         // 16 bits a column
  parameter int unsigned BITS = 1                       // all heights together
) (
  input  logic [BITS-1:0]    bits_i,                    // column by column
  output logic [COLUMNS-1:0] sum_o
);
  typedef logic [COLUMNS*16-1:0] heights_t;

  function automatic int unsigned height(heights_t h, int c);
    height = c < 0 || c >= COLUMNS ? 0 : 32'(h[c*16+:16]);
  endfunction

  // Seven bits give one in each of three columns, three bits one in each of two; four to six are worth a counter of seven, one and two are left alone.
  function automatic int unsigned sevens(heights_t h, int c);
    sevens = height(h, c) / 7 + (height(h, c) % 7 >= 4 ? 1 : 0);
  endfunction
  function automatic int unsigned threes(heights_t h, int c);
    threes = height(h, c) % 7 == 3 ? 1 : 0;
  endfunction
  function automatic int unsigned alone(heights_t h, int c);
    alone = height(h, c) % 7 < 3 ? height(h, c) % 7 : 0;
  endfunction

  function automatic heights_t after(heights_t h);
    for (int c = 0; c < COLUMNS; c++) begin
      after[c*16+:16] = 16'(sevens(h, c) + threes(h, c) + alone(h, c) + sevens(h, c - 1) + threes(h, c - 1) + sevens(h, c - 2));
    end
  endfunction

  // Index of column c's first bit; of all bits' end for c = COLUMNS.
  function automatic int unsigned start(heights_t h, int c);
    start = 0;
    for (int i = 0; i < c; i++) start = start + height(h, i);
  endfunction

  function automatic int unsigned highest(heights_t h);
    highest = 0;
    for (int c = 0; c < COLUMNS; c++) if (height(h, c) > highest) highest = height(h, c);
  endfunction

  if (BITS != start(HEIGHTS, COLUMNS)) begin : gen_bad_bits
    $fatal(1, "bit_heap: BITS must be the sum of HEIGHTS");
  end

  if (highest(HEIGHTS) > 2) begin : gen_stage
    localparam heights_t NEXT = after(HEIGHTS);
    localparam int unsigned NEXT_BITS = start(NEXT, COLUMNS);
    logic [NEXT_BITS-1:0] next;
    // In the next heap a column's bits are, in order: sums of its own counters, bits left alone, carries from one and from two columns below.
    for (genvar c = 0; c < COLUMNS; c++) begin : gen_column
      localparam int unsigned HEIGHT = height(HEIGHTS, c);
      localparam int unsigned FROM = start(HEIGHTS, c);
      localparam int unsigned SEVENS = sevens(HEIGHTS, c);
      localparam int unsigned THREES = threes(HEIGHTS, c);
      localparam int unsigned ALONE = alone(HEIGHTS, c);
      localparam int unsigned TO_0 = start(NEXT, c);
      localparam int unsigned TO_1 = start(NEXT, c + 1) + sevens(HEIGHTS, c + 1) + threes(HEIGHTS, c + 1) + alone(HEIGHTS, c + 1);
      localparam int unsigned TO_2 = start(NEXT, c + 2) + sevens(HEIGHTS, c + 2) + threes(HEIGHTS, c + 2) + alone(HEIGHTS, c + 2)
          + sevens(HEIGHTS, c + 1) + threes(HEIGHTS, c + 1);
      for (genvar k = 0; k < SEVENS; k++) begin : gen_seven
        localparam int unsigned TAKEN = HEIGHT - 7 * k < 7 ? HEIGHT - 7 * k : 7;
        /* verilator lint_off UNUSEDSIGNAL */  // carries out of the last column
        logic [2:0] count;
        /* verilator lint_on UNUSEDSIGNAL */
        counter_7_3 i_counter (.bits_i(7'(bits_i[FROM+7*k+:TAKEN])), .count_o(count));
        assign next[TO_0+k] = count[0];
        if (c + 1 < COLUMNS) begin : gen_carry
          assign next[TO_1+k] = count[1];
        end
        if (c + 2 < COLUMNS) begin : gen_carry_far
          assign next[TO_2+k] = count[2];
        end
      end
      if (THREES > 0) begin : gen_three
        /* verilator lint_off UNUSEDSIGNAL */
        logic [1:0] count;
        /* verilator lint_on UNUSEDSIGNAL */
        full_adder i_adder (.bits_i(bits_i[FROM+7*SEVENS+:3]), .count_o(count));
        assign next[TO_0+SEVENS] = count[0];
        if (c + 1 < COLUMNS) begin : gen_carry
          assign next[TO_1+SEVENS] = count[1];
        end
      end
      if (ALONE > 0) begin : gen_alone
        assign next[TO_0+SEVENS+:ALONE] = bits_i[FROM+7*SEVENS+:ALONE];
      end
    end
    bit_heap #(.COLUMNS(COLUMNS), .HEIGHTS(NEXT), .BITS(NEXT_BITS)) i_rest (.bits_i(next), .sum_o);
  end else begin : gen_adder
    logic [COLUMNS-1:0] first, second;
    for (genvar c = 0; c < COLUMNS; c++) begin : gen_column
      localparam int unsigned HEIGHT = height(HEIGHTS, c);
      localparam int unsigned FROM = start(HEIGHTS, c);
      if (HEIGHT > 0) begin : gen_first
        assign first[c] = bits_i[FROM];
      end else begin : gen_no_first
        assign first[c] = 1'b0;
      end
      if (HEIGHT > 1) begin : gen_second
        assign second[c] = bits_i[FROM+1];
      end else begin : gen_no_second
        assign second[c] = 1'b0;
      end
    end
    assign sum_o = first + second;
  end
endmodule
