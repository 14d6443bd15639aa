// FIFO between two blocks, with the memory that costs least at its depth. Unless it is a block RAM, a beat that enters is visible the next cycle; and no
// path crosses any of them.
module fifo #(
  parameter int unsigned WIDTH = 1,  // data bits; the last flag is stored beside them
  parameter int unsigned DEPTH = 2,  // beats; with 1 it takes one every second cycle
  parameter int unsigned STORE = 0   // 0: shift registers (DEPTH at least 2), 1: registers (up to 2) or LUT RAM, 2: block RAM; see fifo_shift and fifo_ram
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic [WIDTH-1:0] s_tdata_i,
  input  logic             s_tvalid_i,
  input  logic             s_tlast_i,
  output logic             s_tready_o,
  output logic [WIDTH-1:0] m_tdata_o,
  output logic             m_tvalid_o,
  output logic             m_tlast_o,
  input  logic             m_tready_i
);
  if (WIDTH < 1) begin : gen_bad_width
    $fatal(1, "fifo: WIDTH must be at least 1");
  end
  if (STORE > 2) begin : gen_bad_store
    $fatal(1, "fifo: STORE must be 0, 1 or 2");
  end

  if (STORE == 0) begin : gen_shift
    fifo_shift #(.WIDTH(WIDTH + 1), .DEPTH(DEPTH)) i_fifo (
      .clk_i, .rst_ni, .s_tdata_i({s_tlast_i, s_tdata_i}), .s_tvalid_i, .s_tready_o, .m_tdata_o({m_tlast_o, m_tdata_o}), .m_tvalid_o, .m_tready_i
    );
  end else begin : gen_ram
    fifo_ram #(.WIDTH(WIDTH + 1), .DEPTH(DEPTH), .BLOCK_RAM(STORE == 2)) i_fifo (
      .clk_i, .rst_ni, .s_tdata_i({s_tlast_i, s_tdata_i}), .s_tvalid_i, .s_tready_o, .m_tdata_o({m_tlast_o, m_tdata_o}), .m_tvalid_o, .m_tready_i
    );
  end

`ifndef SYNTHESIS
  stream_rules #(.WIDTH(WIDTH), .BEATS(0)) i_rules (
    .clk_i, .rst_ni, .tdata_i(s_tdata_i), .tvalid_i(s_tvalid_i), .tlast_i(s_tlast_i), .tready_i(s_tready_o)
  );
`endif
endmodule
