"""What block RAMs do (Xilinx UG473), for netlists: yosys states only their ports and their timing.

Modelled are the modes that yosys' memory mapping emits (`brams_xc6v_map.v`): true and simple dual port, every width from 1 to 72 bits with parity as
the ninth bit of each byte, widths that differ between the ports, byte write enables, the three write modes, reset to SRVAL, start values, and two
RAMB36E1 in cascade as 64k x 1. The optional output registers too. Inverted pins, error correction and files are not: they end the simulation.

Where UG473 promises nothing the model gives wrong data on purpose: what one port reads in the very cycle in which the other writes it, not in mode
READ_FIRST, is read inverted. Both ports are taken to have one clock. What both write at once is not looked at. Verilator starts the output of a word
that the memory does not fill with random bits.
"""

from __future__ import annotations


def block_ram(kind: str) -> str:
    """The module of `RAMB18E1` or `RAMB36E1` in SystemVerilog."""
    big = kind == "RAMB36E1"
    inits, parities = (128, 16) if big else (64, 8)
    names = [f"INIT_{i:02X}" for i in range(inits)], [f"INITP_{i:02X}" for i in range(parities)]
    values = {
        "@KIND": kind,
        "@BYTES": "4" if big else "2",
        "@ADDRESS": "16" if big else "14",
        "@MORE_PINS": _MORE_PINS if big else "",
        "@CASCADE": _CASCADE if big else _NO_CASCADE,
        "@INITS": ", ".join(f"{name} = 0" for name in (*names[0], *names[1])),
        "@ALL_INIT": ", ".join(reversed(names[0])),
        "@ALL_PARITY": ", ".join(reversed(names[1])),
        "@PORTS": _port("A", "B") + _port("B", "A"),
    }
    text = _MODULE
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def _port(this: str, other: str) -> str:
    """One port of a block RAM beside the other one."""
    text = _PORT
    for value in ("INIT", "SRVAL"):
        # Parity bits above the data; of a word on both ports' pins each one's half. No localparams: Verilator takes one with any x in it for all x.
        low, high = f"{value}_{this}", f"{value}_B"
        data = f"(READ_WIDTH_{this} > 9 * BYTES ? 64'({{{high}[8*BYTES-1:0], {low}[8*BYTES-1:0]}}) : 64'({low} & DATA))"
        parity = f"(READ_WIDTH_{this} > 9 * BYTES ? 8'({{{high}[8*BYTES+:BYTES], {low}[8*BYTES+:BYTES]}}) : 8'({low} >> BITS_R{this}))"
        text = text.replace(f"@DATA({value})", data).replace(f"@PARITY({value})", parity)
    return text.replace("@A", this).replace("@B", other).replace("@a", this.lower()).replace("@b", other.lower())


_MORE_PINS = """,
  input CASCADEINA, CASCADEINB, INJECTDBITERR, INJECTSBITERR,
  output CASCADEOUTA, CASCADEOUTB, SBITERR, DBITERR,
  output [7:0] ECCPARITY,
  output [8:0] RDADDRECC"""

_CASCADE = """  wire chosen_a = RAM_EXTENSION_A == "NONE" || ADDRARDADDR[15] == (RAM_EXTENSION_A == "UPPER");
  wire chosen_b = RAM_EXTENSION_B == "NONE" || ADDRBWRADDR[15] == (RAM_EXTENSION_B == "UPPER");
  wire upper_a = ADDRARDADDR[15], upper_b = ADDRBWRADDR[15], cascade_a = CASCADEINA, cascade_b = CASCADEINB;
  assign CASCADEOUTA = out_a[0], CASCADEOUTB = out_b[0];"""
_NO_CASCADE = "  wire chosen_a = 1, chosen_b = 1, upper_a = 0, upper_b = 0, cascade_a = 0, cascade_b = 0;"

# One port, @a (@A in UG473's names), beside the other one, @b.
_PORT = """
  localparam integer LANES_W@A = BITS_W@A > 8 ? BITS_W@A / 8 : 1, PART_W@A = BITS_W@A > 0 && BITS_W@A < 8 ? BITS_W@A : 8;
  wire writes_@a = WRITE_WIDTH_@A != 0 && |enable_@a[LANES_W@A-1:0];
  wire [OFFSET-1:0] offset_w@a = at_@a[OFFSET-1:0] & ~OFFSET'(BITS_W@A - 1);
  if (WRITE_WIDTH_@A != 0) begin : gen_write_@a
    always @(posedge clock_@a)
      for (integer lane = 0; lane < LANES_W@A; lane = lane + 1)
        if (enable_@a[lane]) begin
          data[at_@a[INDEX-1:OFFSET]][offset_w@a+OFFSET'(8*lane)+:PART_W@A] <= in_@a[8*lane+:PART_W@A];
          parity[at_@a[INDEX-1:OFFSET]][offset_w@a/8+OFFSET'(lane)] <= in_parity_@a[lane];
        end
  end
  if (READ_WIDTH_@A != 0) begin : gen_read_@a
    localparam integer LOW = BITS_R@A > BITS_W@B ? BITS_R@A : BITS_W@B;  // the address bits below it do not tell what both touch
    localparam [71:0] DATA = (72'd1 << BITS_R@A) - 72'd1;
    wire clash = WRITE_WIDTH_@B != 0 && WRITE_MODE_@B != "READ_FIRST" && writes_@b && (at_@a | INDEX'(LOW - 1)) == (at_@b | INDEX'(LOW - 1));
    wire [OFFSET-1:0] offset = at_@a[OFFSET-1:0] & ~OFFSET'(BITS_R@A - 1);
    reg [WORD-1:0] word;
    reg [LANES-1:0] word_parity;
    reg [63:0] q = @DATA(INIT), q_register = @DATA(INIT);
    reg [7:0] q_parity = @PARITY(INIT), q_parity_register = @PARITY(INIT);
    reg q_upper;
    always @(posedge clock_@a)
      if (on_@a) begin
        q_upper <= upper_@a;
        word = data[at_@a[INDEX-1:OFFSET]];
        word_parity = parity[at_@a[INDEX-1:OFFSET]];
        if (WRITE_WIDTH_@A != 0 && WRITE_MODE_@A == "WRITE_FIRST")
          for (integer lane = 0; lane < LANES_W@A; lane = lane + 1)
            if (enable_@a[lane]) begin
              word[offset_w@a+OFFSET'(8*lane)+:PART_W@A] = in_@a[8*lane+:PART_W@A];
              word_parity[offset_w@a/8+OFFSET'(lane)] = in_parity_@a[lane];
            end
        if (reset_@a) begin
          q <= @DATA(SRVAL);
          q_parity <= @PARITY(SRVAL);
        end else if (WRITE_MODE_@A != "NO_CHANGE" || !writes_@a) begin
          q <= 64'((clash ? ~word : word) >> offset) & DATA[63:0];
          q_parity <= 8'((clash ? ~word_parity : word_parity) >> offset / 8);
        end
      end
    always @(posedge clock_@a)
      if (reg_reset_@a && (RSTREG_PRIORITY_@A == "RSTREG" || reg_on_@a)) begin
        q_register <= @DATA(SRVAL);
        q_parity_register <= @PARITY(SRVAL);
      end else if (reg_on_@a) begin
        q_register <= q;
        q_parity_register <= q_parity;
      end
    assign out_@a = RAM_EXTENSION_@A == "UPPER" && !q_upper ? 64'(cascade_@a) : DO@A_REG != 0 ? q_register : q;
    assign out_parity_@a = DO@A_REG != 0 ? q_parity_register : q_parity;
  end else begin : gen_no_read_@a
    assign out_@a = 0;
    assign out_parity_@a = 0;
  end
"""

_MODULE = """module @KIND (
  input CLKARDCLK, CLKBWRCLK, ENARDEN, ENBWREN, REGCEAREGCE, REGCEB, RSTRAMARSTRAM, RSTRAMB, RSTREGARSTREG, RSTREGB,
  input [@ADDRESS-1:0] ADDRARDADDR, ADDRBWRADDR,
  input [8*@BYTES-1:0] DIADI, DIBDI,
  input [@BYTES-1:0] DIPADIP, DIPBDIP, WEA,
  input [2*@BYTES-1:0] WEBWE,
  output [8*@BYTES-1:0] DOADO, DOBDO,
  output [@BYTES-1:0] DOPADOP, DOPBDOP@MORE_PINS
);
  localparam integer BYTES = @BYTES;  // of one port's pins
  parameter integer READ_WIDTH_A = 0, READ_WIDTH_B = 0, WRITE_WIDTH_A = 0, WRITE_WIDTH_B = 0, DOA_REG = 0, DOB_REG = 0;
  parameter RAM_MODE = "TDP", WRITE_MODE_A = "WRITE_FIRST", WRITE_MODE_B = "WRITE_FIRST";
  parameter [39:0] RAM_EXTENSION_A = "NONE", RAM_EXTENSION_B = "NONE";
  parameter RSTREG_PRIORITY_A = "RSTREG", RSTREG_PRIORITY_B = "RSTREG", RDADDR_COLLISION_HWCONFIG = "DELAYED_WRITE";
  parameter SIM_COLLISION_CHECK = "ALL", SIM_DEVICE = "7SERIES", EN_ECC_READ = "FALSE", EN_ECC_WRITE = "FALSE", INIT_FILE = "NONE";
  parameter [71:0] INIT_A = 0, INIT_B = 0, SRVAL_A = 0, SRVAL_B = 0;
  parameter IS_CLKARDCLK_INVERTED = 1'b0, IS_CLKBWRCLK_INVERTED = 1'b0, IS_ENARDEN_INVERTED = 1'b0, IS_ENBWREN_INVERTED = 1'b0;
  parameter IS_RSTRAMARSTRAM_INVERTED = 1'b0, IS_RSTRAMB_INVERTED = 1'b0, IS_RSTREGARSTREG_INVERTED = 1'b0, IS_RSTREGB_INVERTED = 1'b0;
  parameter [255:0] @INITS;
  initial
    if (IS_CLKARDCLK_INVERTED || IS_CLKBWRCLK_INVERTED || IS_ENARDEN_INVERTED || IS_ENBWREN_INVERTED || IS_RSTRAMARSTRAM_INVERTED
        || IS_RSTRAMB_INVERTED || IS_RSTREGARSTREG_INVERTED || IS_RSTREGB_INVERTED
        || EN_ECC_READ != "FALSE" || EN_ECC_WRITE != "FALSE" || INIT_FILE != "NONE")
      $fatal(1, "@KIND: inverted pins, error correction and files are not modelled");

  // Widths from 9 on are bytes of 8 data bits and a parity bit each; narrower words are data alone.
  localparam integer BITS_RA = READ_WIDTH_A > 8 ? READ_WIDTH_A / 9 * 8 : READ_WIDTH_A;
  localparam integer BITS_RB = READ_WIDTH_B > 8 ? READ_WIDTH_B / 9 * 8 : READ_WIDTH_B;
  localparam integer BITS_WA = WRITE_WIDTH_A > 8 ? WRITE_WIDTH_A / 9 * 8 : WRITE_WIDTH_A;
  localparam integer BITS_WB = WRITE_WIDTH_B > 8 ? WRITE_WIDTH_B / 9 * 8 : WRITE_WIDTH_B;
  localparam integer MOST_A = BITS_RA > BITS_WA ? BITS_RA : BITS_WA, MOST_B = BITS_RB > BITS_WB ? BITS_RB : BITS_WB;
  localparam integer MOST = MOST_A > MOST_B ? MOST_A : MOST_B;
  // Stored in words of the widest port, of which the others reach parts.
  localparam integer WORD = MOST > 8 ? MOST : 8, LANES = WORD / 8, INDEX = $clog2(8192 * BYTES), OFFSET = $clog2(WORD), WORDS = 8192 * BYTES / WORD;
  localparam [8192*BYTES-1:0] ALL = {@ALL_INIT};
  localparam [1024*BYTES-1:0] ALL_PARITY = {@ALL_PARITY};
  reg [WORD-1:0] data[0:WORDS-1];
  reg [LANES-1:0] parity[0:WORDS-1];
  initial
    for (integer i = 0; i < WORDS; i = i + 1) begin
      data[i] = ALL[i*WORD+:WORD];
      parity[i] = ALL_PARITY[i*LANES+:LANES];
    end

  // A word twice as wide as a port's pins takes those of both ports: A reads it, B writes it.
  localparam BOTH_READ = READ_WIDTH_A > 9 * BYTES, BOTH_WRITE = WRITE_WIDTH_B > 9 * BYTES;
  wire clock_a = CLKARDCLK, clock_b = CLKBWRCLK, on_a = ENARDEN, on_b = ENBWREN, reset_a = RSTRAMARSTRAM, reset_b = RSTRAMB;
  wire reg_on_a = REGCEAREGCE, reg_on_b = REGCEB, reg_reset_a = RSTREGARSTREG, reg_reset_b = RSTREGB;
  wire [INDEX-1:0] at_a = ADDRARDADDR[INDEX-1:0], at_b = ADDRBWRADDR[INDEX-1:0];
  wire [63:0] in_a = 64'(DIADI), in_b = BOTH_WRITE ? 64'({DIBDI, DIADI}) : 64'(DIBDI), out_a, out_b;
  wire [7:0] in_parity_a = 8'(DIPADIP), in_parity_b = BOTH_WRITE ? 8'({DIPBDIP, DIPADIP}) : 8'(DIPBDIP), out_parity_a, out_parity_b;
@CASCADE
  wire [7:0] enable_a = chosen_a && on_a ? 8'(WEA) : 8'd0, enable_b = chosen_b && on_b ? 8'(WEBWE) : 8'd0;
  assign {DOBDO, DOADO} = BOTH_READ ? out_a[16*BYTES-1:0] : {out_b[8*BYTES-1:0], out_a[8*BYTES-1:0]};
  assign {DOPBDOP, DOPADOP} = BOTH_READ ? out_parity_a[2*BYTES-1:0] : {out_parity_b[BYTES-1:0], out_parity_a[BYTES-1:0]};
@PORTSendmodule
"""
