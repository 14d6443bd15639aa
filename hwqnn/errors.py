"""Every error that a user can meet. The message names the thing that is wrong and what to do; the command line prints it without a traceback."""


class HwqnnError(Exception):
    """Base of all. `exit_code` is what the command line ends with: 2 for bad input, 1 for a check that failed."""

    exit_code = 2


class InputError(HwqnnError):
    """The model, the data, an option or a file is not usable."""


class UnsupportedError(InputError):
    """A layer or operation that cannot be lowered."""


class GraphError(HwqnnError):
    """A graph breaks its own rules."""


class ToolError(HwqnnError):
    """An outside tool (compiler, verilator, yosys) is missing or failed."""


class CheckError(HwqnnError):
    """A check failed: a bit differs, the design does not fit, or misses the asked rate."""

    exit_code = 1
