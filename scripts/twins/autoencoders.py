"""Variational autoencoders: deconv/models/vae.py, with a Bernoulli likelihood."""

import math

import torch
from torch import nn
import torch.nn.functional as F

from scripts.twins.twin import Dense, Twin

_ACTIVATIONS = {'relu': F.relu, 'silu': F.silu, 'tanh': torch.tanh}


class MlpEncoder(nn.Module):
  """Images (b, c, h, w) in [-1, 1] -> (b, 2 * latent)."""

  def __init__(self, options, image_shape):
    super().__init__()
    self.options = options
    sizes = [math.prod(image_shape), *[options.hidden] * options.depth]
    for i, size in enumerate(sizes[:-1], 1):
      self.add_module(f'hidden_{i}', Dense(size, options.hidden, reads=image_shape if i == 1 else None))
    self.posterior = nn.Linear(sizes[-1], 2 * options.latent_size)

  def forward(self, x):
    x = (x.flatten(1) + 1) / 2
    for i in range(1, self.options.depth + 1):
      x = _ACTIVATIONS[self.options.activation](getattr(self, f'hidden_{i}')(x))
    return self.posterior(x)


class MlpDecoder(nn.Module):
  """Codes (b, latent) -> logits (b, c, h, w)."""

  def __init__(self, options, image_shape):
    super().__init__()
    self.options, self.image_shape = options, image_shape
    sizes = [options.latent_size, *[options.hidden] * options.depth]
    for i, size in enumerate(sizes[:-1], 1):
      self.add_module(f'hidden_{i}', nn.Linear(size, options.hidden))
    self.pixels = Dense(sizes[-1], math.prod(image_shape), writes=image_shape)

  def forward(self, z):
    for i in range(1, self.options.depth + 1):
      z = _ACTIVATIONS[self.options.activation](getattr(self, f'hidden_{i}')(z))
    height, width, channels = self.image_shape
    return self.pixels(z).view(-1, channels, height, width)


def _sizes(options, side):
  """Returns (smallest side, channels of each resolution from the image's half down)."""
  n = 0
  while side % 2 == 0 and side > 7:
    side, n = side // 2, n + 1
  return side, [min(options.width * 2**i, options.max_width) for i in range(n)]


class ConvEncoder(nn.Module):
  """Images (b, c, side, side) in [-1, 1] -> (b, 2 * latent)."""

  def __init__(self, options, image_shape):
    super().__init__()
    assert not options.blocks, 'no twin of this network'
    self.options, channels = options, image_shape[-1]
    side, self.wide = _sizes(options, image_shape[0])
    for i, features in enumerate(self.wide, 1):
      self.add_module(f'down_{i}', nn.Conv2d(channels, features, 4, 2, 1))
      channels = features
    self.hidden = Dense(side * side * channels, options.hidden, reads=(side, side, channels))
    self.posterior = nn.Linear(options.hidden, 2 * options.latent_size)

  def forward(self, x):
    act = _ACTIVATIONS[self.options.activation]
    for i in range(1, len(self.wide) + 1):
      x = act(getattr(self, f'down_{i}')(x))
    return self.posterior(act(self.hidden(x.flatten(1))))


class ConvDecoder(nn.Module):
  """Codes (b, latent) -> logits (b, c, side, side)."""

  def __init__(self, options, image_shape):
    super().__init__()
    self.options = options
    side, wide = _sizes(options, image_shape[0])
    self.smallest = wide[-1], side, side
    self.hidden = nn.Linear(options.latent_size, options.hidden)
    self.project = Dense(options.hidden, side * side * wide[-1], writes=(side, side, wide[-1]))
    features = [*wide[::-1], options.width // 2]
    self.doublings = len(wide)
    for i in range(self.doublings):
      self.add_module(f'up_{i + 1}', nn.ConvTranspose2d(features[i], features[i + 1], 4, 2, 1))
    self.pixels = nn.Conv2d(features[-1], image_shape[-1], 3, padding=1)

  def forward(self, z):
    act = _ACTIVATIONS[self.options.activation]
    x = act(self.project(act(self.hidden(z)))).view(-1, *self.smallest)
    for i in range(1, self.doublings + 1):
      x = act(getattr(self, f'up_{i}')(x))
    return self.pixels(x)


_NETWORKS = {'vae_mlp': (MlpEncoder, MlpDecoder), 'vae_conv': (ConvEncoder, ConvDecoder)}


class Autoencoder(Twin):
  """The ELBO with one code per image; deconv/tasks/vae.py."""

  def __init__(self, options, channels_last):
    super().__init__(options, channels_last)
    objective = options.objective
    assert (objective.name, objective.likelihood, objective.samples, objective.beta) == ('elbo', 'bernoulli', 1, 1)
    encoder, decoder = (make(options.model, options.data.image_shape) for make in _NETWORKS[options.model.name])
    self.add('vae', nn.ModuleDict({'encoder': encoder, 'decoder': decoder}))

  def prepare(self, batch):
    """Returns (targets in [0, 1] (b, c, h, w), standard normal noise (b, latent))."""
    levels = (batch['image'].permute(0, 3, 1, 2).float() / 255).contiguous(memory_format=self.layout)
    targets = torch.bernoulli(levels) if self.options.objective.binarization == 'dynamic' else levels
    return targets, torch.randn(len(levels), self.options.model.latent_size, device=levels.device)

  def loss(self, targets, noise):
    """Returns -ELBO, the mean over the images."""
    networks = self.networks['vae']
    mean, log_variance = networks['encoder'](2 * targets - 1).chunk(2, 1)
    logits = networks['decoder'](mean + torch.exp(0.5 * log_variance) * noise)
    distortion = F.binary_cross_entropy_with_logits(logits, targets, reduction='sum')
    rate = 0.5 * torch.sum(mean.square() + log_variance.exp() - 1 - log_variance)
    return (distortion + rate) / len(targets)
