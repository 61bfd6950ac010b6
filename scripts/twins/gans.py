"""Generative adversarial networks: deconv/models/gan28.py and the DCGAN of the PyTorch examples."""

import itertools

import numpy as np
import torch
from torch import nn
import torch.nn.functional as F

from scripts.twins.twin import Dense, Twin

# Of DCGAN-64, as in scripts/dcgan64.py, which needs JAX.
_WIDTH, _LATENT = 64, 100


class Generator28(nn.Module):
  """z (b, latent) -> images (b, c, 28, 28) in [-1, 1]."""

  def __init__(self, options, channels):
    super().__init__()
    wide = 2 * options.width
    self.leak, self.wide = options.leak, wide
    self.project = Dense(options.latent_size, 49 * wide, writes=(7, 7, wide))
    self.up_1, self.up_2 = nn.ConvTranspose2d(wide, wide, 4, 2, 1), nn.ConvTranspose2d(wide, options.width, 4, 2, 1)
    self.image = nn.Conv2d(options.width, channels, 7, padding=3)

  def forward(self, z):
    x = F.leaky_relu(self.project(z), self.leak).view(-1, self.wide, 7, 7)
    x = F.leaky_relu(self.up_2(F.leaky_relu(self.up_1(x), self.leak)), self.leak)
    return torch.tanh(self.image(x))


class Discriminator28(nn.Module):
  """Images -> logits (b,)."""

  def __init__(self, options, channels):
    super().__init__()
    self.options, width = options, options.width
    self.down_1, self.down_2 = nn.Conv2d(channels, width, 5, 2, 2), nn.Conv2d(width, 2 * width, 5, 2, 2)
    self.logit = Dense(49 * 2 * width, 1, reads=(7, 7, 2 * width))

  def forward(self, x):
    for layer in (self.down_1, self.down_2):
      x = F.dropout(F.leaky_relu(layer(x), self.options.leak), self.options.dropout)
    return self.logit(x.flatten(1))[:, 0]


class Dcgan64:
  """The DCGAN-64 of the PyTorch examples, and its step.

  Attributes: as of a Twin.
  """

  def __init__(self, channels_last):
    latent, width = _LATENT, _WIDTH
    self.layout = torch.channels_last if channels_last else torch.contiguous_format
    up = lambda i, o, stride=2, pad=1: nn.ConvTranspose2d(i, o, 4, stride, pad, bias=False)
    down = lambda i, o, stride=2, pad=1: nn.Conv2d(i, o, 4, stride, pad, bias=False)
    sizes = [8 * width, 4 * width, 2 * width, width]
    gen = [up(latent, sizes[0], 1, 0), nn.BatchNorm2d(sizes[0]), nn.ReLU(True)]
    for i, o in itertools.pairwise(sizes):
      gen += [up(i, o), nn.BatchNorm2d(o), nn.ReLU(True)]
    disc = [down(3, width), nn.LeakyReLU(0.2, True)]
    for o, i in zip(sizes[-2::-1], sizes[::-1]):
      disc += [down(i, o), nn.BatchNorm2d(o), nn.LeakyReLU(0.2, True)]
    networks = {
      'gen': nn.Sequential(*gen, up(width, 3), nn.Tanh()),
      'disc': nn.Sequential(*disc, down(sizes[0], 1, 1, 0), nn.Flatten(0)),
    }
    self.networks = {name: network.to(memory_format=self.layout) for name, network in networks.items()}
    self.optimizers = {
      name: torch.optim.Adam(network.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
      for name, network in self.networks.items()
    }

  parameters = Twin.parameters

  @staticmethod
  def batch_of(size):
    """Returns a batch of noise, {'image': float32 (size, 64, 64, 3) in [-1, 1]}."""
    return {'image': np.random.default_rng(0).uniform(-1, 1, (size, 64, 64, 3)).astype(np.float32)}

  def step(self, batch):
    """One step on images (b, side, side, 3) in [-1, 1]; returns the generator's loss."""
    reals = batch['image'].permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
    return _play(self, reals, torch.randn(len(reals), _LATENT, 1, 1, device=reals.device))


class Gan(Twin):
  """The non-saturating game, the discriminator first; deconv/tasks/gan.py."""

  def __init__(self, options, channels_last):
    super().__init__(options, channels_last)
    objective = options.objective
    assert (objective.name, objective.update_order) == ('non_saturating', 'disc_then_gen'), 'no twin of this objective'
    assert options.model.upsample == 'deconv', 'no twin of this network'
    channels = options.data.channels
    self.add('gen', Generator28(options.model, channels))
    self.add('disc', Discriminator28(options.model, channels), objective.disc_learning_rate_scale, averaged=False)

  def prepare(self, batch):
    """Returns (real images, latents)."""
    reals = self.signed(batch['image'])
    return reals, torch.randn(len(reals), self.options.model.latent_size, device=reals.device)

  def step(self, batch):
    """One step; returns the generator's loss."""
    loss = _play(self, *self.prepare(batch))
    for name, average in self.averages.items():
      average.update_parameters(self.networks[name])
    return loss


def losses(twin, reals, latents):
  """Returns the losses of both networks before a step, (discriminator's, generator's)."""
  with torch.no_grad():
    gen, disc = twin.networks['gen'], twin.networks['disc']
    fakes = gen(latents)
    real_logits, fake_logits = disc(reals), disc(fakes)
    return (F.softplus(-real_logits) + F.softplus(fake_logits)).mean(), F.softplus(-fake_logits).mean()


def _play(twin, reals, latents):
  """The discriminator's update, then the generator's against the new discriminator, on the same images."""
  gen, disc = twin.networks['gen'], twin.networks['disc']
  bce, ones = F.binary_cross_entropy_with_logits, torch.ones(len(reals), device=reals.device)
  zeros = torch.zeros_like(ones)
  fakes = gen(latents)
  twin.optimizers['disc'].zero_grad()
  bce(disc(reals), ones).backward()
  bce(disc(fakes.detach()), zeros).backward()
  twin.optimizers['disc'].step()
  twin.optimizers['gen'].zero_grad()
  disc.requires_grad_(False)  # the generator's update needs no weight gradient of the discriminator
  loss = bce(disc(fakes), ones)
  loss.backward()
  disc.requires_grad_(True)
  twin.optimizers['gen'].step()
  return loss
