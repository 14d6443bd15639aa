import os
import sys
from pathlib import Path

os.environ["BREVITAS_JIT"] = "0"
sys.path.insert(0, str(Path(__file__).parents[1]))

import torch

torch.set_num_threads(1)
