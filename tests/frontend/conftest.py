import os

os.environ["BREVITAS_JIT"] = "0"

import torch

torch.set_num_threads(1)
