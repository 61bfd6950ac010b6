"""A training step in PyTorch, for scripts/train_steps.py."""

import os

import torch

from scripts import twins
from scripts.torch_device import torch_device
from scripts.train_steps import batch_of
from scripts.twins import gans


class Step:
  """A step on a fixed batch.

  Attributes:
    parameters: their number, of all networks.
    versions: {library: its version}.
  """

  def __init__(self, case, implementation, keep_memory):
    """Makes the networks; see scripts.train_steps.make."""
    del keep_memory  # PyTorch has its own allocator
    torch.set_num_threads(os.cpu_count())
    device = torch_device()
    last = implementation != 'torch'
    with torch.device(device):
      if case.config:
        options = case.options()
        self._twin = twins.TWINS[options.task, options.model.name](options, channels_last=last)
        batch = batch_of(options)
      else:
        self._twin, batch = gans.Dcgan64(channels_last=last), gans.Dcgan64.batch_of(case.batch_size)
    self._batch = {name: torch.from_numpy(x).to(device) for name, x in batch.items()}
    self.parameters, self.versions = self._twin.parameters(), {'torch': torch.__version__}
    if implementation == 'torch_compiled':
      for network in self._twin.networks.values():
        network.compile()

  def run(self, steps):
    """Runs so many steps; returns the last loss."""
    for _ in range(steps):
      loss = self._twin.step(self._batch)
    return loss.item()
