"""What all twins have in common: layout, optimizer, averaged parameters."""

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Twin:
  """A training step in PyTorch.

  A subclass makes its networks by `add`, and has
    prepare(batch): what a step draws and derives from a batch before the network, a tuple of tensors;
    step(batch): one step, returns the loss; here for one network and `loss(*prepared)`, a scalar.

  Attributes:
    options: deconv.options.Experiment.
    layout: torch.channels_last or torch.contiguous_format, of images and kernels.
    networks: {name: nn.Module}, named as in our State.
    optimizers: {name: torch.optim.Adam}.
    averages: {name: AveragedModel}, of the networks whose parameters are averaged.
  """

  def __init__(self, options, channels_last):
    self.options = options
    self.layout = torch.channels_last if channels_last else torch.contiguous_format
    self.networks, self.optimizers, self.averages = {}, {}, {}

  def add(self, name, network, rate_scale=1.0, averaged=True):
    """Adds a network with its optimizer; returns the network in the layout."""
    o = self.options.optimizer
    assert o.name == 'adam' and not o.l2 and not o.clip_norm, 'no twin of this optimizer'
    network = network.to(memory_format=self.layout).train()
    self.networks[name] = network
    self.optimizers[name] = torch.optim.Adam(
      network.parameters(), o.learning_rate * rate_scale, (o.beta1, o.beta2), o.eps, fused=True
    )
    decay = self.options.train.ema_decay
    if averaged and decay:
      self.averages[name] = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
    return network

  def parameters(self):
    """Returns how many parameters the networks have."""
    return sum(p.numel() for network in self.networks.values() for p in network.parameters())

  def signed(self, images):
    """uint8 (b, h, w, c) -> float (b, c, h, w) in [-1, 1], in the layout."""
    return (images.permute(0, 3, 1, 2).float() / 127.5 - 1).contiguous(memory_format=self.layout)

  def step(self, batch):
    """One step of the only network; returns the loss."""
    (name,) = self.networks
    loss = self.loss(*self.prepare(batch))
    self.update(name, loss)
    return loss

  def update(self, name, loss):
    """Goes down the gradient of the loss with one network."""
    self.optimizers[name].zero_grad()
    loss.backward()
    self.optimizers[name].step()
    if name in self.averages:
      self.averages[name].update_parameters(self.networks[name])


class Dense(nn.Linear):
  """A linear layer that reads or writes a map, which we flatten with the channels last and PyTorch with them first.

  Attributes:
    reads, writes: (height, width, channels) of the map before or after it, or None.
  """

  def __init__(self, inputs, outputs, bias=True, reads=None, writes=None):
    super().__init__(inputs, outputs, bias)
    self.reads, self.writes = reads, writes


def flip(images, where, dim):
  """Mirrors those images of (b, ...) along a dimension for which the bool tensor (b,) is true."""
  return torch.where(where.view(-1, *[1] * (images.dim() - 1)), images.flip(dim), images)
