"""Statistics of real images: computed once, kept on the disk by all that they depend on, or read from elsewhere."""

import dataclasses
import hashlib
import io
import json
import os
import zipfile

from absl import logging
import numpy as np

from deconv import atomic_files
from deconv.errors import UserError
from deconv.evaluators import samples
from deconv.metrics import frechet

VERSION = 1  # of the protocol: to be raised with every change of a number
CHUNK = 1000  # images at a time; samples are a function of it, so it is no field
_OF_DATA = ('image_size', 'channels', 'crop', 'fit', 'patch_stride', 'background', 'split')  # what makes the pixels


@dataclasses.dataclass(frozen=True)
class Reference:
  """Statistics of the real images.

  Attributes:
    mean: float64 (d,).
    covariance: float64 (d, d).
    count: number of images; None where a file does not say it.
    features: float32 (count, d), in random order; None where a file has only the moments.
    protocol: {name: what JSON can hold}.
  """

  mean: np.ndarray
  covariance: np.ndarray
  count: int | None
  features: np.ndarray | None
  protocol: dict

  def need_features(self):
    """Returns the features.

    Raises:
      UserError: there are only moments.
    """
    if self.features is None:
      raise UserError(
        f"eval.reference='{self.protocol['reference']}' holds a mean and a covariance, which are enough for fid alone: "
        'leave the other evaluators out, or the field'
      )
    return self.features


def of_source(source, options, network):
  """Returns the Reference of a source: from `eval.reference`, from the disk, or computed and then kept there."""
  if options.reference:
    return read(options.reference)
  order = order_of(source, options)
  number = len(order)
  protocol = {
    'source': source.name,
    'split': source.options.split,
    'fingerprint': source.content_fingerprint(),
    'n_real': number,
  }
  known = {
    **protocol,
    **network.protocol(),
    'protocol_version': VERSION,
    'data': {name: value for name, value in dataclasses.asdict(source.options).items() if name in _OF_DATA},
    'seed': samples.SEED,
  }
  digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:16]
  folder = options.reference_cache
  folder = os.path.expanduser('~/.cache/deconv/reference') if folder == 'auto' else folder
  path = os.path.join(folder, f'{source.name}-{network.name}-{digest}.npz') if folder else ''
  if path and os.path.exists(path):
    try:
      return dataclasses.replace(read(path), protocol=protocol)
    except UserError as error:  # a file that a full disk has cut, or an older version has written
      logging.warning('%s; it is computed again', error)
  features, _, moments = look(
    network, lambda i: np.asarray(source.take(order[i * CHUNK : (i + 1) * CHUNK])['image']), number
  )
  if path:
    write(path, features, moments, known)
  return Reference(moments.mean, moments.scatter / max(number - 1, 1), number, features, protocol)


def order_of(source, options):
  """Returns the indices int (n,) of the real images that are looked at, in the order of their features."""
  number = min(options.num_real or len(source), len(source))
  return np.random.default_rng(samples.SEED).permutation(len(source))[:number]


def look(network, draw, number):
  """Looks at images CHUNK at a time.

  Args:
    network: deconv.metrics.features.FeatureNetwork.
    draw: i -> uint8 images i * CHUNK and following.
    number: of images.

  Returns:
    (features float32 (number, d), logits float32 (number, classes) or None, deconv.metrics.frechet.Moments).
  """
  features, logits, moments = [], [], frechet.Moments()
  for i in range(-(-number // CHUNK)):
    found, classes = network.outputs(draw(i))
    moments.add(found)
    features.append(found)
    logits.append(classes)
  return np.concatenate(features), None if logits[0] is None else np.concatenate(logits), moments


def write(path, features, moments, protocol):
  """Writes statistics of real images.

  Args:
    path: .npz file.
    features: float32 (n, d).
    moments: deconv.metrics.frechet.Moments of them.
    protocol: {name: what JSON can hold}.
  """
  content = io.BytesIO()
  text = json.dumps(protocol, sort_keys=True, default=str)
  np.savez(content, features=features, mu=moments.mean, sigma=moments.covariance, protocol=np.array(text))
  atomic_files.write(path, content.getvalue())


def read(path):
  """Reads statistics of real images, of `write` or of another program.

  Args:
    path: .npz file with 'mu' (d,) and 'sigma' (d, d), as pytorch-fid and clean-fid write it; those of `write` also have
      'features' and 'protocol'.

  Returns:
    Reference, whose protocol says what of the stamp the file does not tell.

  Raises:
    UserError: no such file, or one of something else.
  """
  if not os.path.isfile(path):
    raise UserError(f"eval.reference: there is no file '{path}'")
  try:
    with np.load(path, allow_pickle=False) as file:
      content = {name: file[name] for name in ('mu', 'sigma', 'features', 'protocol') if name in file}
    stamp = json.loads(str(content['protocol'])) if 'protocol' in content else {}
    mean, covariance = (np.asarray(content[name], np.float64) for name in ('mu', 'sigma'))
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
      raise ValueError(f"'mu' {mean.shape} and 'sigma' {covariance.shape} do not fit")
  except (ValueError, OSError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise UserError(
      f"eval.reference: '{path}' is no file of statistics, an .npz with 'mu' and 'sigma': {error}"
    ) from error
  with open(path, 'rb') as file:
    digest = hashlib.file_digest(file, 'sha256').hexdigest()[:16]
  features = content.get('features')
  names = ('source', 'split', 'fingerprint', 'n_real', 'resizer', 'network_hash')
  protocol = {name: stamp.get(name, 'unknown') for name in names[:4]}
  unknown = [name for name in names if name not in stamp]
  protocol['reference'] = f'{os.path.basename(path)} {digest}'
  if unknown:
    protocol['unknown_of_reference'] = unknown
  return Reference(mean, covariance, stamp.get('n_real'), features, protocol)


def halves(real):
  """Returns two disjoint halves float32 (n // 2, d) of the features of a Reference; their order is random already."""
  half = len(real.features) // 2
  return real.features[:half], real.features[half : 2 * half]
