"""Feature networks: what turns images into the vectors that distances between sets of images are measured on.

A distance means nothing without its network. So each has a name, which the names of its numbers begin with (only the
Inception of 2015 makes `fid` and `kid`), and a hash of its weights, which stands in the protocol of every number.
"""

from collections.abc import Callable
import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np

from deconv.data.transforms.colour import to_ycbcr
from deconv.data.transforms.levels import to_signed
from deconv.errors import UserError
from deconv.metrics import resizers
from deconv.models import inception

BATCH = 50  # images in a forward of Inception


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureNetwork:
  """Images to features.

  Attributes:
    name: 'inception', 'lenet', 'pixels' or 'classifier'.
    hash: sixteen hex digits of the weights, or of what stands for them.
    function: uint8 (n, height, width, 1 or 3) -> (features float32 (n, d), logits float32 (n, classes) or None), on the
      host, batch by batch.
    resizer: what brings images to the network's size, a key of deconv.metrics.resizers.RESIZERS; 'none' where they have
      it.
    about: {name: what JSON can hold}: what else there is to say.
  """

  name: str
  hash: str
  function: Callable
  resizer: str
  about: dict

  @property
  def prefix(self):
    """What the names of this network's numbers begin with; '' for Inception, whose distances are FID and KID."""
    return '' if self.name == 'inception' else f'{self.name}_'

  def outputs(self, images):
    """Returns (features float32 (n, d), logits float32 (n, classes) or None) of images uint8 (n, h, w, c).

    Raises:
      UserError: images that the network cannot take.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
      raise UserError(
        f'features are of grey or RGB images of bytes, not of {images.dtype} {images.shape}: leave these evaluators out'
      )
    return self.function(images)

  def protocol(self):
    """Returns what stands beside every number: {'network', 'network_hash', 'resizer', ...}."""
    return {'network': self.name, 'network_hash': self.hash, 'resizer': self.resizer, **self.about}


def pixels():
  """Returns the network that is none: pixels scaled to [0, 1]."""
  return FeatureNetwork(
    'pixels',
    hashlib.sha256(b'levels / 255').hexdigest()[:16],
    lambda images: (np.reshape(images, (len(images), -1)).astype(np.float32) / 255, None),
    'none',
    {},
  )


def fid_inception(path, resizer):
  """Returns the Inception of 2015: pool3, and the logits without their bias.

  Grey images get three equal channels. Levels are scaled as by the original that the resizer is of:
  (level - 128) / 128, or level / 127.5 - 1 for 'legacy_pytorch'.

  Args:
    path: file of weights, see deconv.models.inception.load.
    resizer: a key of RESIZERS.

  Raises:
    UserError: no such file or resizer, or a file of other weights.
  """
  resizers.matrix(resizer, inception.SIDE, inception.SIDE)
  variables = inception.load(path)
  digest = hash_of(variables)
  variables = jax.device_put(variables)

  @jax.jit
  def forward(variables, images):
    levels = resizers.resize(jnp.broadcast_to(images, (*images.shape[:3], 3)), inception.SIDE, resizer)
    scaled = levels / 127.5 - 1 if resizer == 'legacy_pytorch' else (levels - 128) / 128
    found = inception.outputs(variables, scaled)
    return found['2048'], found['logits_unbiased']

  def function(images):
    return in_batches(lambda part: forward(variables, part), images, BATCH)

  return FeatureNetwork('inception', digest, function, resizer, {'features': 'pool3 of the 2015 Inception'})


def of_classifier(name, outputs, image_shape, digest, resizer, about):
  """Returns a network whose features are those of a trained classifier.

  Images of another size are resized and rounded; grey ones get equal channels, and of RGB the luminance is taken.

  Args:
    name: 'lenet' or 'classifier'.
    outputs: uint8 (n, *image_shape) -> (logits (n, classes), features (n, d)), on the host.
    image_shape: (height, width, channels) that it takes; height and width equal.
    digest: hash of its weights, see `hash_of`.
    resizer: a key of RESIZERS, for images of another size.
    about: see FeatureNetwork.

  Raises:
    UserError: no such resizer.
  """
  resizers.matrix(resizer, 1, 1)

  def function(images):
    logits, features = outputs(_fitted(images, image_shape, resizer))
    return np.asarray(features, np.float32), np.asarray(logits, np.float32)

  about = {**about, 'network_size': f'{image_shape[0]}x{image_shape[1]}x{image_shape[2]}'}
  return FeatureNetwork(name, digest, function, resizer, about)


def _fitted(images, shape, resizer):
  """uint8 images of a shape."""
  if images.shape[-1] > shape[-1]:
    levels = (np.asarray(to_ycbcr(to_signed(images), 'full'))[..., :1] + 1) * 127.5
    images = np.clip(np.round(levels), 0, 255).astype(np.uint8)
  if images.shape[1:3] != tuple(shape[:2]):
    levels = np.asarray(resizers.resize(images, shape[0], resizer))
    images = np.clip(np.round(levels), 0, 255).astype(np.uint8)
  return np.broadcast_to(images, (len(images), *shape)) if images.shape[-1] < shape[-1] else images


def hash_of(variables):
  """Returns sixteen hex digits of a tree of arrays: of their places, shapes and values as float32."""
  digest = hashlib.sha256()
  for path, leaf in jax.tree_util.tree_leaves_with_path(variables):
    leaf = np.ascontiguousarray(leaf, np.float32)
    digest.update(f'{jax.tree_util.keystr(path)} {leaf.shape}'.encode())
    digest.update(leaf)
  return digest.hexdigest()[:16]


def in_batches(function, images, size):
  """Calls a compiled function on batches of one size, the last one filled up.

  Args:
    function: images (size, ...) -> tuple of arrays with a row an image.
    images: (n >= 1, ...).
    size: of a batch; fewer images make one smaller batch.

  Returns:
    Tuple of NumPy arrays with n rows.
  """
  size = min(size, len(images))
  parts = []
  for start in range(0, len(images), size):
    part = images[start : start + size]
    whole = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)]) if len(part) < size else part
    parts.append([np.asarray(x)[: len(part)] for x in function(whole)])
  return tuple(np.concatenate(column) for column in zip(*parts))
