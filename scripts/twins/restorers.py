"""FSRCNN and RED-Net: deconv/models/{superres,rednet}.py."""

import torch
from torch import nn
import torch.nn.functional as F

from scripts.twins.twin import Twin, flip


class Fsrcnn(nn.Module):
  """Small images (b, c, h, w) and their bicubic enlargement -> enlarged images."""

  def __init__(self, options, channels, scale):
    super().__init__()
    assert options.upsample == 'deconv' and options.residual == 'bicubic', 'no twin of this network'
    widths = options.width, options.shrunk, *[options.shrunk] * options.depth, options.width
    sides, before = (5, 1, *[3] * options.depth, 1), channels
    self.convs = len(widths)
    for i, (width, side) in enumerate(zip(widths, sides), 1):
      self.add_module(f'conv_{i}', nn.Conv2d(before, width, side, padding=side // 2))
      self.add_module(f'prelu_{i}', nn.PReLU(width))
      before = width
    low = -(-(options.kernel_size - scale) // 2)
    more = scale - options.kernel_size + 2 * low
    self.last = nn.ConvTranspose2d(before, channels, options.kernel_size, scale, low, more)

  def forward(self, x, enlarged):
    for i in range(1, self.convs + 1):
      x = getattr(self, f'prelu_{i}')(getattr(self, f'conv_{i}')(x))
    return self.last(x) + enlarged


class RedNet(nn.Module):
  """Images (b, c, h, w), twice -> restored images."""

  def __init__(self, options, channels, scale):
    super().__init__()
    assert options.stride == 1 and scale == 1, 'no twin of this network'
    self.options = options
    for i in range(1, options.depth // 2 + 1):
      self.add_module(f'conv_{i}', nn.Conv2d(channels if i == 1 else options.width, options.width, 3, padding=1))
    for i in range(1, options.depth // 2):
      self.add_module(f'deconv_{i}', nn.ConvTranspose2d(options.width, options.width, 3, padding=1))
    self.last = nn.ConvTranspose2d(options.width, channels, 3, padding=1)

  def forward(self, x, enlarged):
    half, skips = self.options.depth // 2, {}
    for i in range(1, half + 1):
      x = F.relu(getattr(self, f'conv_{i}')(x), inplace=True)
      if i % self.options.skip_step == 0 and i < half:
        skips[half - i] = x
    for i in range(1, half):
      x = getattr(self, f'deconv_{i}')(x)
      x = F.relu(x + skips[i] if i in skips else x, inplace=True)
    return self.last(x) + enlarged


_NETWORKS = {'fsrcnn': Fsrcnn, 'rednet': RedNet}


class Restorer(Twin):
  """The mean squared error of grey images that were made smaller or noisy; deconv/tasks/restoration.py."""

  def __init__(self, options, channels_last):
    super().__init__(options, channels_last)
    objective = options.objective
    assert objective.l2 == 1 and objective.colour == 'grey' and objective.last_learning_rate_scale == 1
    self.add('net', _NETWORKS[options.model.name](options.model, objective.channels, options.degrade.scale))

  def prepare(self, batch):
    """Returns (inputs, their enlargement, targets).

    The cubic is ours (a = -1/2), but for the pixels at the border.
    """
    targets, degrade = self.signed(batch['image']), self.options.degrade
    if self.options.augment.turns:
      swap, down, across = torch.rand(3, len(targets), device=targets.device) < 0.5
      targets = torch.where(swap.view(-1, 1, 1, 1), targets.transpose(2, 3), targets)
      targets = flip(flip(targets, down, 2), across, 3).contiguous(memory_format=self.layout)
    resized = lambda x, factor: F.interpolate(x, scale_factor=factor, mode='bicubic', antialias=True)
    inputs = targets
    if degrade.scale > 1:
      inputs = resized(inputs, 1 / degrade.scale)
    if degrade.noise_sigma:
      inputs = inputs + torch.randn_like(inputs) * (degrade.noise_sigma / 127.5)
    return inputs, resized(inputs, degrade.scale) if degrade.scale > 1 else inputs, targets

  def loss(self, inputs, enlarged, targets):
    """Returns the loss."""
    return F.mse_loss(self.networks['net'](inputs, enlarged), targets)
