// FIFO in a RAM that two addresses walk through in the same order: registers up to two beats, else LUT RAM (RAM32M: six bits of 32 beats in four LUTs) or
// block RAM. Nobody sees the addresses, so they go the way that costs a LUT each.
// s_tready_o is a register. So is m_tvalid_o, and a beat that enters is visible the next cycle; but out of block RAM beats come by way of two registers
// in a row, which move together.
module fifo_ram #(
  parameter int unsigned WIDTH = 1,       // of a beat
  parameter int unsigned DEPTH = 2,       // beats, a power of two; with 1 it takes one every second cycle
  parameter bit BLOCK_RAM = 1'b0
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [WIDTH-1:0] s_tdata_i,
  input  logic             s_tvalid_i,
  output logic             s_tready_o,
  output logic [WIDTH-1:0] m_tdata_o,
  output logic             m_tvalid_o,
  input  logic             m_tready_i
);
  localparam int unsigned ADDR_BITS = DEPTH > 1 ? $clog2(DEPTH) : 1;

  if (DEPTH < 1 || DEPTH != 2 ** $clog2(DEPTH)) begin : gen_bad_depth
    $fatal(1, "fifo_ram: DEPTH must be a power of two");
  end
  if (BLOCK_RAM && DEPTH < 4) begin : gen_bad_block_ram
    $fatal(1, "fifo_ram: with BLOCK_RAM, DEPTH must be at least 4");
  end

  logic push, pop;
  logic valid_q, room_q;  // beats are in the RAM; another fits
  assign push       = s_tvalid_i && s_tready_o;
  assign s_tready_o = room_q;

  /* verilator lint_off UNUSEDSIGNAL */  // a single register has no addresses
  logic [ADDR_BITS-1:0] write_q, read_q;
  /* verilator lint_on UNUSEDSIGNAL */
  if (DEPTH == 1) begin : gen_one
    assign write_q = '0;
    assign read_q  = '0;
    assign room_q  = !valid_q;
    always_ff @(posedge clk_i) begin
      if (!rst_ni) valid_q <= 1'b0;
      else if (push || pop) valid_q <= push;
    end
  end else begin : gen_addresses
    logic [ADDR_BITS-1:0] write_next, read_next;
    logic last_leaves, last_fills;
    de_bruijn #(.BITS(ADDR_BITS)) i_write (.addr_i(write_q), .next_o(write_next));
    de_bruijn #(.BITS(ADDR_BITS)) i_read (.addr_i(read_q), .next_o(read_next));
    same #(.BITS(ADDR_BITS)) i_leaves (.a_i(read_next), .b_i(write_q), .same_o(last_leaves));
    same #(.BITS(ADDR_BITS)) i_fills (.a_i(write_next), .b_i(read_q), .same_o(last_fills));
    always_ff @(posedge clk_i) begin
      if (!rst_ni) begin
        write_q <= '0;
        read_q  <= '0;
        valid_q <= 1'b0;
        room_q  <= 1'b1;
      end else begin
        if (push) write_q <= write_next;
        if (pop) read_q <= read_next;
        if (push != pop) begin
          valid_q <= push || !last_leaves;
          room_q  <= pop || !last_fills;
        end
      end
    end
  end

  if (BLOCK_RAM) begin : gen_block_ram
    logic advance;
    step_control #(.DEPTH(2)) i_control (
      .clk_i, .rst_ni, .need_i(1'b1), .give_i(1'b1), .last_i(1'b0), .s_tvalid_i(valid_q),
      /* verilator lint_off PINCONNECTEMPTY */  // a step takes nothing from the stream, and the last flag is data
      .s_tready_o(), .m_tlast_o(),
      /* verilator lint_on PINCONNECTEMPTY */
      .m_tvalid_o, .m_tready_i, .advance_o(advance), .step_o(pop)
    );
    (* ram_style = "block", no_rw_check *) logic [WIDTH-1:0] words[DEPTH];  // the writer never writes where the reader reads
    logic [WIDTH-1:0] read_word_q, word_q;
    always_ff @(posedge clk_i) if (push) words[write_q] <= s_tdata_i;
    always_ff @(posedge clk_i) if (advance) read_word_q <= words[read_q];
    always_ff @(posedge clk_i) if (advance) word_q <= read_word_q;
    assign m_tdata_o = word_q;
  end else begin : gen_visible
    assign pop        = m_tvalid_o && m_tready_i;
    assign m_tvalid_o = valid_q;
    if (DEPTH == 1) begin : gen_register
      logic [WIDTH-1:0] word_q;
      always_ff @(posedge clk_i) if (push) word_q <= s_tdata_i;
      assign m_tdata_o = word_q;
    end else if (DEPTH == 2) begin : gen_registers
      logic [WIDTH-1:0] even_q, odd_q;
      always_ff @(posedge clk_i) if (push && !write_q) even_q <= s_tdata_i;
      always_ff @(posedge clk_i) if (push && write_q) odd_q <= s_tdata_i;
      mux2 #(.WIDTH(WIDTH)) i_mux (.select_i(read_q[0]), .zero_i(even_q), .one_i(odd_q), .word_o(m_tdata_o));
    end else begin : gen_lut_ram
      lut_ram #(.WIDTH(WIDTH), .DEPTH(DEPTH)) i_ram (
        .clk_i, .write_i(push), .write_addr_i(write_q), .word_i(s_tdata_i), .read_addr_i(read_q), .word_o(m_tdata_o)
      );
    end
  end
endmodule
