"""Where PyTorch runs when it is timed beside JAX."""

import os


def torch_device():
  """Returns the device that JAX_PLATFORMS names, 'cuda' or 'cpu', and sets PyTorch to its best mode there.

  On a GPU float32 products are made of TF32, as XLA makes them, and cuDNN tries its algorithms, as XLA does.
  """
  if not os.environ.get('JAX_PLATFORMS', '').startswith(('cuda', 'gpu')):
    return 'cpu'
  import torch

  torch.backends.cudnn.benchmark = True
  torch.set_float32_matmul_precision('high')
  return 'cuda'
