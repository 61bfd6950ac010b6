"""U-Net, SegNet and DeconvNet: deconv/models/{unet,segnet,deconvnet,vgg}.py, padded, with batch norm."""

import torch
from torch import nn
import torch.nn.functional as F

from scripts.twins.twin import Twin, flip


def _channels(options):
  return [options.width * min(2**i, 8) for i in range(len(options.stages))]


class _Network(nn.Module):
  """A network whose layers are made and applied by name, in the order of `forward`."""

  def __init__(self, options):
    super().__init__()
    assert options.batch_norm and options.pixels == 'signed' and options.upsample == 'paper', 'no twin of this network'
    self.options = options

  def add_block(self, name, norm, layer):
    """Layer, batch norm."""
    self.add_module(name, layer)
    self.add_module(norm, nn.BatchNorm2d(layer.out_channels, momentum=1 - self.options.batch_norm_momentum))

  def block(self, x, name, norm):
    """Layer, batch norm, ReLU."""
    return F.relu(getattr(self, norm)(getattr(self, name)(x)), inplace=True)


class Encoder(_Network):
  """Stages of 3x3 convolutions and 2x2 poolings; returns the map, and (features, switches) of each stage."""

  def __init__(self, options, channels):
    super().__init__(options)
    for i, (features, convs) in enumerate(zip(_channels(options), options.stages), 1):
      for j in range(1, convs + 1):
        self.add_block(f'conv{i}_{j}', f'norm{i}_{j}', nn.Conv2d(channels, features, 3, padding=1, bias=False))
        channels = features

  def forward(self, x):
    stages = []
    for i, convs in enumerate(self.options.stages, 1):
      for j in range(1, convs + 1):
        x = self.block(x, f'conv{i}_{j}', f'norm{i}_{j}')
      pooled, switches = F.max_pool2d(x, 2, return_indices=True)
      stages.append((x, switches))
      x = pooled
    return x, stages


class UNet(_Network):
  """Returns (logits, side scores)."""

  def __init__(self, options, channels, classes, side_scores):
    super().__init__(options)
    assert options.padding == 'same' and not options.dropout, 'no twin of this network'
    self.encoder, self.side_scores = Encoder(options, channels), side_scores
    wide, convs = _channels(options), options.stages
    features, depth = wide[-1], len(convs)
    for j in range(1, convs[-1] + 1):
      self.add_block(
        f'conv{depth + 1}_{j}', f'norm{depth + 1}_{j}', nn.Conv2d(features, 2 * wide[-1], 3, padding=1, bias=False)
      )
      features = 2 * wide[-1]
    for i in range(depth, 0, -1):
      if side_scores:
        self.add_module(f'side_score{i}', nn.Conv2d(features, classes, 1))
      here = wide[i - 1]
      self.add_block(f'up{i}', f'norm_up{i}', nn.ConvTranspose2d(features, here, 2, 2, bias=False))
      for j in range(1, convs[i - 1] + 1):
        self.add_block(
          f'conv_up{i}_{j}', f'norm_up{i}_{j}', nn.Conv2d(2 * here if j == 1 else here, here, 3, padding=1, bias=False)
        )
      features = here
    self.score = nn.Conv2d(features, classes, 1)

  def forward(self, x):
    x, stages = self.encoder(x)
    scores, convs, depth = [], self.options.stages, len(self.options.stages)
    for j in range(1, convs[-1] + 1):
      x = self.block(x, f'conv{depth + 1}_{j}', f'norm{depth + 1}_{j}')
    for i in range(depth, 0, -1):
      if self.side_scores:
        scores.append(getattr(self, f'side_score{i}')(x))
      x = torch.cat([stages[i - 1][0], self.block(x, f'up{i}', f'norm_up{i}')], 1)
      for j in range(1, convs[i - 1] + 1):
        x = self.block(x, f'conv_up{i}_{j}', f'norm_up{i}_{j}')
    return self.score(x), scores


class MirroredDecoder(_Network):
  """Unpools by the switches and convolves, stage by stage; returns (map, side scores).

  With `classes` its last convolution makes them, without batch norm; with `side_classes` there are side scores.
  """

  def __init__(self, options, classes, side_classes):
    super().__init__(options)
    self.classes, self.side_classes, wide = classes, side_classes, _channels(options)
    features, self.matched = wide[-1], set()
    for i, convs in reversed(list(enumerate(options.stages))):
      if side_classes:
        self.add_module(f'side_score{i + 1}', nn.Conv2d(features, side_classes, 1))
      if features != wide[i]:
        self.add_module(f'match_deconv{i + 1}_{convs}', nn.Conv2d(features, wide[i], 1))
        features = wide[i]
        self.matched.add(i)
      for j in range(convs, 0, -1):
        following = wide[max(i - 1, 0)] if j == 1 else wide[i]
        name = f'deconv{i + 1}_{j}'
        if (i, j) == (0, 1) and classes:
          self.add_module(name, nn.Conv2d(features, classes, 3, padding=1))
        else:
          self.add_block(name, f'norm_{name}', nn.Conv2d(features, following, 3, padding=1, bias=False))
        features = following

  def forward(self, x, switches):
    scores = []
    for i, convs in reversed(list(enumerate(self.options.stages))):
      if self.side_classes:
        scores.append(getattr(self, f'side_score{i + 1}')(x))
      if i in self.matched:
        x = getattr(self, f'match_deconv{i + 1}_{convs}')(x)
      x = F.max_unpool2d(x, switches[i], 2)
      for j in range(convs, 0, -1):
        name = f'deconv{i + 1}_{j}'
        last = (i, j) == (0, 1) and self.classes
        x = getattr(self, name)(x) if last else self.block(x, name, f'norm_{name}')
    return x, scores


class SegNet(nn.Module):
  """Returns (logits, side scores)."""

  def __init__(self, options, channels, classes, side_scores):
    super().__init__()
    self.encoder = Encoder(options, channels)
    self.decoder = MirroredDecoder(options, classes, classes if side_scores else 0)

  def forward(self, x):
    x, stages = self.encoder(x)
    return self.decoder(x, [switches for _, switches in stages])


class DeconvNet(_Network):
  """Returns (logits, side scores)."""

  def __init__(self, options, channels, classes, side_scores):
    super().__init__(options)
    bottom, side, wide = _channels(options)[-1], options.fc_kernel, options.fc_width
    self.encoder = Encoder(options, channels)
    self.add_block('fc6', 'norm_fc6', nn.Conv2d(bottom, wide, side, bias=False))
    self.add_block('fc7', 'norm_fc7', nn.Conv2d(wide, wide, 1, bias=False))
    self.add_block('fc6_deconv', 'norm_fc6_deconv', nn.ConvTranspose2d(wide, bottom, side, bias=False))
    self.decoder = MirroredDecoder(options, 0, classes if side_scores else 0)
    self.score = nn.Conv2d(options.width, classes, 1)

  def forward(self, x):
    x, stages = self.encoder(x)
    for name in ('fc6', 'fc7', 'fc6_deconv'):
      x = self.block(x, name, f'norm_{name}')
    x, scores = self.decoder(x, [switches for _, switches in stages])
    return self.score(x), scores


_NETWORKS = {'unet': UNet, 'segnet': SegNet, 'deconvnet': DeconvNet}


class Segmenter(Twin):
  """Cross-entropy, deep supervision, mirrored images; deconv/tasks/segmentation.py."""

  def __init__(self, options, channels_last):
    super().__init__(options, channels_last)
    self.classes, objective = len(options.data.class_names), options.objective
    assert objective.cross_entropy == 1 and not objective.dice + objective.lovasz, 'no twin of this objective'
    network = _NETWORKS[options.model.name](
      options.model, options.data.channels, self.classes, objective.deep_supervision > 0
    )
    self.add('net', network)

  def prepare(self, batch):
    """Returns (images, masks int64 (b, h, w), [shares of the classes (b, classes, h', w') for each side score])."""
    images, masks = self.signed(batch['image']), batch['mask'].long()
    if self.options.augment.flip:
      where = torch.rand(len(masks), device=masks.device) < 0.5
      images, masks = flip(images, where, 3), flip(masks, where, 2)
    shares = []
    if self.options.objective.deep_supervision:
      finer = F.one_hot(masks, self.classes).permute(0, 3, 1, 2).float()
      for _ in self.options.model.stages:
        finer = F.avg_pool2d(finer, 2)
        shares.insert(0, finer)
    return images, masks, shares

  def loss(self, images, masks, shares):
    """Returns the loss."""
    logits, scores = self.networks['net'](images)
    loss = F.cross_entropy(logits, masks)
    if shares:
      deep = sum(F.cross_entropy(score, share) for score, share in zip(scores, shares, strict=True)) / len(shares)
      loss = loss + self.options.objective.deep_supervision * deep
    return loss
