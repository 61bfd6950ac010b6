"""The sources by name."""

import dataclasses

from deconv.data.feed import chosen
from deconv.data.files import camvid, celeba, digits, em_stack, folders, masks, mnist, patches, photos, prepared, voc
from deconv.data.rendered import digit_scenes, gaussians, heads, scenes, shapes
from deconv.errors import UserError, did_you_mean

# Each value takes (DataOptions, split) and returns a Source, or raises UserError when the data are not there.
SOURCES = {
  'digits': digits.open_digits,
  'mnist': mnist.open_mnist,
  'folder': folders.open_folder,
  'zip': folders.open_zip,
  'tfds': prepared.open_tfds,
  'celeba': celeba.open_celeba,
  'shapes': shapes.open_shapes,
  'heads': heads.open_heads,
  'gaussian_ring': gaussians.open_ring,
  'gaussian_grid': gaussians.open_grid,
  'scenes': scenes.open_scenes,
  'digit_scenes': digit_scenes.open_digit_scenes,
  'masks': masks.open_masks,
  'voc': voc.open_voc,
  'camvid': camvid.open_camvid,
  'em_stack': em_stack.open_em_stack,
  'photos': photos.open_photos,
}

# Those whose items are points of the plane in place of images.
_POINTS = 'gaussian_ring', 'gaussian_grid'


def open_source(options, split=None):
  """Opens the data.

  Args:
    options: DataOptions.
    split: which part; None is `options.split`, the one that is trained on.

  Returns:
    A Source with at least one image.

  Raises:
    NoSuchSplit: the source has no split of this name.
    UserError: no source of this name, the data are not there, or the classes of its masks are not
      `options.class_names`.
  """
  if options.source not in SOURCES:
    raise UserError(
      f"no data source '{options.source}'{did_you_mean(options.source, SOURCES)}: data.source is one of "
      f'{", ".join(SOURCES)}.'
    )
  if options.points and options.source not in _POINTS:
    raise UserError(
      f"data.channels=2 is for points, the sources {' and '.join(_POINTS)}: set it to 1 or 3 for '{options.source}'."
    )
  if split is not None and options.patch_scales:  # as `per_class`: what is evaluated stays as it is
    options = dataclasses.replace(options, patch_scales=())
  of_patches = options.fit == 'patches'
  whole = dataclasses.replace(options, fit='crop', patch_scales=()) if of_patches else options
  source = SOURCES[options.source](whole, options.split if split is None else split)
  if options.image_width and source.procedural:
    raise UserError(f'{source.name} renders squares: set data.image_width to 0, or choose another data.source.')
  if not len(source):
    raise UserError(
      f"split '{split or options.split}' of {source.name} has no images: choose another split or data.path."
    )
  if of_patches:
    if options.class_names:
      raise UserError(
        'data.fit=patches cuts images and not their masks: set it to crop or pad, or data.class_names to ().'
      )
    return patches.PatchSource(source, options)
  names = source.mask_names
  if names and options.class_names and names != options.class_names:
    raise UserError(
      f'the masks of {source.name} have the classes {", ".join(names)}, not data.class_names '
      f'({", ".join(options.class_names)}): set data.class_names to the former, or choose other data.'
    )
  if options.per_class and split is None:
    return chosen.first_of_each_class(source, options.per_class)
  return source
