"""Pictures out of arrays: grids, PNG and GIF files, captions. Everything is uint8 (height, width, channels)."""

import io
import math
import statistics

import numpy as np

from deconv import atomic_files
from deconv.errors import UserError
from deconv.options import IGNORE

_GAP = 2  # pixels between the images of a grid
_MARGIN = 4  # pixels around text


def image_grid(images, columns=None):
  """Lays images out in rows, left to right and top to bottom, on white.

  Args:
    images: uint8 (n, height, width, channels), n >= 1, channels 1 or 3.
    columns: images in a row; None = the smallest number that makes the grid no taller than wide.

  Returns:
    uint8 (rows * (height + 2) + 2, columns * (width + 2) + 2, channels): two pixels between images and around the grid.

  Raises:
    ValueError: not a batch of uint8 images.
  """
  images = np.asarray(images)
  if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
    raise ValueError(f'images must be uint8 (n >= 1, height, width, channels), not {images.dtype} {images.shape}')
  n, height, width, channels = images.shape
  columns = columns or math.ceil(math.sqrt(n))
  rows = math.ceil(n / columns)
  grid = np.full((rows * (height + _GAP) + _GAP, columns * (width + _GAP) + _GAP, channels), 255, np.uint8)
  for i, image in enumerate(images):
    top, left = (i // columns) * (height + _GAP) + _GAP, (i % columns) * (width + _GAP) + _GAP
    grid[top : top + height, left : left + width] = image
  return grid


def enlarge(image, factor):
  """Repeats each pixel factor x factor times, so that small images can be looked at; no interpolation."""
  return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def caption(image, text, size=None):
  """Adds lines of text under an image, black on white; the image is widened with white where the text needs it.

  Args:
    image: uint8 (height, width, 1 or 3).
    text: str; '\\n' starts a new line.
    size: of the letters in pixels; None = 10.

  Returns:
    uint8 (height + text height, max(width, text width), same channels).
  """
  from PIL import Image, ImageDraw, ImageFont

  image = np.asarray(image)
  font = ImageFont.load_default(size)
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  _, _, right, bottom = ruler.multiline_textbbox((0, 0), text, font=font)
  height, width = math.ceil(bottom) + 2 * _MARGIN, max(math.ceil(right) + 2 * _MARGIN, image.shape[1])
  label = Image.new('L', (width, height), 255)
  ImageDraw.Draw(label).multiline_text((_MARGIN, _MARGIN), text, fill=0, font=font)
  return _below(image, np.repeat(np.asarray(label)[..., None], image.shape[-1], axis=-1))


def _below(image, strip):
  """The image, widened with white, and a strip at least as wide under it."""
  wide = np.pad(image, ((0, 0), (0, strip.shape[1] - image.shape[1]), (0, 0)), constant_values=255)
  return np.concatenate([wide, strip], axis=0)


def at_least(images, least):
  """Enlarges images (n, height, width, channels), by the smallest whole factor that makes them `least` pixels high."""
  images = np.asarray(images)
  return np.stack([enlarge(image, -(-least // images.shape[1])) for image in images])


def named_grid(images, names, columns=None, least=48):
  """Lays images out in rows, each with a text under it.

  Args:
    images: uint8 (n, height, width, channels), n >= 1, channels 1 or 3; enlarged to at least `least` pixels.
    names: a text for each; what does not fit under its image is cut off.
    columns: as of image_grid.
    least: see there.

  Returns:
    uint8 (rows, columns, channels).
  """
  images = at_least(images, least)
  cells = [caption(image, name)[:, : image.shape[1]] for image, name in zip(images, names)]
  height = max(map(len, cells))
  cells = [np.pad(cell, ((0, height - len(cell)), (0, 0), (0, 0)), constant_values=255) for cell in cells]
  return image_grid(np.stack(cells), columns)


def confusion_matrix(counts, names):
  """Draws a confusion matrix: rows are the truth, columns the prediction; darker is a larger share of the row.

  Args:
    counts: integers (C, C).
    names: of the classes. The numbers are written into the cells of at most 30 classes.

  Returns:
    uint8 (height, width, 3).
  """
  from PIL import Image, ImageDraw, ImageFont

  counts, font = np.asarray(counts), ImageFont.load_default()
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  lengths = [math.ceil(ruler.textlength(text, font=font)) for text in (*names, *map(str, counts.flat))]
  cell = max(lengths) + 2 * _MARGIN if len(counts) <= 30 else 8
  left, line = max(lengths[: len(names)]) + 2 * _MARGIN, math.ceil(ruler.textbbox((0, 0), '0', font=font)[3])
  high = max(cell, line) if len(counts) > 30 else line + 2 * _MARGIN
  top = line + 2 * _MARGIN
  shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
  canvas = Image.new('RGB', (left + cell * len(counts), top + high * len(counts)), (255, 255, 255))
  draw = ImageDraw.Draw(canvas)
  for row, name in enumerate(names):
    y = top + row * high
    if len(counts) <= 30:
      draw.text((_MARGIN, y + _MARGIN), name, fill=(0, 0, 0), font=font)
      draw.text((left + row * cell + _MARGIN, _MARGIN), name, fill=(0, 0, 0), font=font)
    for column, share in enumerate(shares[row]):
      x, right = left + column * cell, row == column
      # A few mistakes have to be seen beside thousands of right answers: the root of the share.
      fade = round(255 * (1 - math.sqrt(share)))
      colour = (fade, fade, 255) if right else (255, fade, fade)
      draw.rectangle((x, y, x + cell - 1, y + high - 1), fill=colour, outline=(220,) * 3)
      if len(counts) <= 30 and counts[row, column]:
        ink = (255, 255, 255) if fade < 96 else (0, 0, 0)
        draw.text((x + _MARGIN, y + _MARGIN), str(counts[row, column]), fill=ink, font=font)
  return np.asarray(canvas)


def scatter(points, behind=None, circles=None, half=None, side=384):
  """Draws points of the plane, x to the right and y up; what lies outside of the picture is left out.

  Args:
    points: floats (n, ..., 2) with one point an entry, in blue; darker where several lie on one another.
    behind: the same of others, in grey and under them, or None.
    circles: (centres (k, 2), radius), drawn in orange under the points, or None.
    half: the picture shows [-half, half] in both directions; None = 1.25 times the largest of `behind`, else of the
      99 % of the points with the smallest coordinates.
    side: of the picture, in pixels.

  Returns:
    uint8 (side, side, 3).
  """
  from PIL import Image, ImageDraw

  layers = [(points, (31, 119, 180), 0.35)]
  if behind is not None:
    layers.insert(0, (behind, (150, 150, 150), 0.25))
  layers = [(np.asarray(x, np.float64).reshape(-1, 2), colour, alpha) for x, colour, alpha in layers]
  if half is None:
    reach = np.abs(layers[0][0]).max(axis=-1)
    half = 1.25 * max(np.max(reach) if behind is not None else np.quantile(reach, 0.99), 1e-6)
  canvas = Image.new('RGB', (side, side), (255, 255, 255))
  if circles is not None:
    draw, radius = ImageDraw.Draw(canvas), max(circles[1] / half * side / 2, 2.5)
    for x, y in (np.asarray(circles[0], np.float64) / half * (1, -1) + 1) * side / 2:
      draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(255, 127, 14))
  picture = np.asarray(canvas, np.float64)
  for where, colour, alpha in layers:
    counts, _, _ = np.histogram2d(-where[:, 1], where[:, 0], bins=side, range=((-half, half), (-half, half)))
    # A point covers 2x2 pixels.
    counts[1:] += counts[:-1].copy()
    counts[:, 1:] += counts[:, :-1].copy()
    share = (1 - (1 - alpha) ** counts)[..., None]
    picture = picture * (1 - share) + np.array(colour) * share
  return np.round(picture).astype(np.uint8)


def voc_palette():
  """Returns the colour map of PASCAL VOC's masks: uint8 (256, 3), RGB of the numbers 0 to 255.

  The devkit's rule: bits 0, 1 and 2 of a number are the highest bits of red, green and blue, bits 3, 4 and 5 the next
  ones, and so on. 0 is black, 255 (ignore) a light (224, 224, 192).
  """
  numbers, palette = np.arange(256), np.zeros((256, 3), np.uint8)
  for bit in range(8):
    palette[:, bit % 3] |= ((numbers >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
  return palette


def colour_mask(mask):
  """Integers (...), 0 to 255 -> uint8 (..., 3): each class in its colour of `voc_palette`."""
  return voc_palette()[np.asarray(mask, np.int64)]


def segmentation_panel(images, masks, predictions, names):
  """Lays out rows of image | truth | prediction | errors and a legend of the classes that occur, in VOC's colours.

  The errors: white where the prediction is wrong, black where it is right, grey where the truth is ignored. Ignored
  pixels of the truth have VOC's colour of 255.

  Args:
    images: uint8 (n, height, width, 1 or 3), n >= 1.
    masks: integers (n, height, width), or None without truth: rows are then image | prediction.
    predictions: integers (n, height, width); or smaller than the images, of networks that predict their middle: then
      they stand in the middle, and what is around them is not judged (prediction and errors are grey there).
    names: of the classes, C strings.

  Returns:
    uint8 (rows and legend, width, 3).

  Raises:
    ValueError: arrays of different lengths or sizes.
  """
  images, predictions = np.asarray(images), np.asarray(predictions)
  masks = None if masks is None else np.asarray(masks)
  margins = [big - small for big, small in zip(images.shape[1:3], predictions.shape[1:3])]
  if len(images) != len(predictions) or min(margins) < 0 or (masks is not None and masks.shape != images.shape[:3]):
    raise ValueError(
      f'images {images.shape}, masks {None if masks is None else masks.shape} and predictions '
      f'{predictions.shape} do not belong together'
    )
  grey = np.array(128, np.uint8)
  around = [(0, 0)] + [(margin // 2, margin - margin // 2) for margin in margins]
  judged = np.pad(np.ones(predictions.shape, bool), around)
  predictions = np.pad(predictions, around)
  columns = [np.broadcast_to(images, (*images.shape[:3], 3))]
  seen = set(np.unique(predictions[judged]).tolist())
  if masks is not None:
    columns.append(colour_mask(masks))
    seen |= set(np.unique(masks).tolist())
  columns.append(np.where(judged[..., None], colour_mask(predictions), grey))
  if masks is not None:
    errors = np.where(judged & (masks != IGNORE), np.where(predictions != masks, 255, 0), grey).astype(np.uint8)
    columns.append(np.repeat(errors[..., None], 3, axis=-1))
  rows = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
  return legend(
    image_grid(rows, len(columns)),
    [(name, colour) for i, (name, colour) in enumerate(zip(names, voc_palette())) if i in seen]
    + ([('ignored', voc_palette()[IGNORE])] if IGNORE in seen else []),
  )


def legend(image, entries):
  """Adds a legend under an image: a patch of colour and a name each, in as many lines as its width needs.

  Args:
    image: uint8 (height, width, 3); widened with white where one entry alone is wider.
    entries: sequence of (name, RGB of 0 to 255).

  Returns:
    uint8 (height + legend height, max(width, width of the widest entry), 3).
  """
  from PIL import Image, ImageDraw, ImageFont

  image, font = np.asarray(image), ImageFont.load_default()
  if not entries:
    return image
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  side = math.ceil(max(ruler.textbbox((0, 0), name, font=font)[3] for name, _ in entries))  # as high as the text
  widths = [side + 2 * _MARGIN + math.ceil(ruler.textlength(name, font=font)) for name, _ in entries]
  width = max(image.shape[1], max(widths) + 2 * _MARGIN)
  places, left, top = [], _MARGIN, _MARGIN
  for needed in widths:
    if left > _MARGIN and left + needed + _MARGIN > width:
      left, top = _MARGIN, top + side + _MARGIN
    places.append((left, top))
    left += needed + _MARGIN
  canvas = Image.new('RGB', (width, top + side + _MARGIN), (255, 255, 255))
  draw = ImageDraw.Draw(canvas)
  for (left, top), (name, colour) in zip(places, entries):
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=tuple(int(x) for x in colour), outline=(128,) * 3)
    draw.text((left + side + _MARGIN, top), name, fill=(0, 0, 0), font=font)
  return _below(image, np.asarray(canvas))


def segmentation_columns(images, masks, class_names):
  """Draws images and several masks of each side by side, a column each with its name, and a legend.

  Args:
    images: uint8 (height, width, 1 or 3) each, all of one shape.
    masks: {name of the column: masks, integers (height, width), one per image}.
    class_names: in the order of the class numbers.

  Returns:
    uint8 (height, width, 3).
  """
  coloured = [np.broadcast_to(image, (*image.shape[:2], 3)) for image in images]
  columns = {'image': coloured, **{name: [colour_mask(mask) for mask in column] for name, column in masks.items()}}
  strips = [caption(enlarge(image_grid(np.stack(column), 1), 2), name) for name, column in columns.items()]
  height = max(len(strip) for strip in strips)
  strips = [np.pad(strip, ((0, height - len(strip)), (0, 0), (0, 0)), constant_values=255) for strip in strips]
  return legend(np.concatenate(strips, axis=1), list(zip(class_names, voc_palette())))


def save_metric_panels(path, rows, titles):
  """Draws a panel per metric: a small dot for each seed, a bar at their mean, and a line of one standard deviation of
  the seeds to both sides of it.

  Args:
    path: of the PNG file.
    rows: {label: [[number per metric] per seed]}.
    titles: of the panels.

  Raises:
    UserError: matplotlib is not installed.
  """
  try:
    import matplotlib
  except ImportError as error:
    raise UserError('matplotlib is not installed (pip install matplotlib)') from error
  matplotlib.use('Agg')
  from matplotlib import pyplot

  shown, panels = pyplot.subplots(
    1, len(titles), sharey=True, squeeze=False, figsize=(1.5 + 2.6 * len(titles), 0.8 + 0.36 * len(rows))
  )
  for number, (axes, title) in enumerate(zip(panels[0], titles)):
    for y, runs in enumerate(rows.values()):
      values = [run[number] for run in runs]
      axes.plot(values, [y] * len(values), 'o', color='tab:blue', alpha=0.5, markersize=4)
      mean, deviation = statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None
      axes.errorbar(mean, y, xerr=deviation, fmt='|', color='black', markersize=14, linewidth=1, capsize=3)
    axes.set_title(title, fontsize=9)
    axes.grid(axis='x', alpha=0.3)
    axes.tick_params(labelsize=8)
  panels[0][0].set_yticks(range(len(rows)), rows)
  panels[0][0].set_ylim(len(rows) - 0.5, -0.5)
  shown.tight_layout()
  shown.savefig(path, dpi=150)
  pyplot.close(shown)


def save_png(path, image):
  """Writes a PNG file; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    image: uint8 (height, width, 1 or 3).

  Raises:
    UserError: the file cannot be written.
  """
  buffer = io.BytesIO()
  _pillow(image).save(buffer, format='PNG')
  atomic_files.write(path, buffer.getvalue())


def save_gif(path, frames, fps=8, last_seconds=0.0):
  """Writes an endlessly repeating GIF; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    frames: non-empty sequence of uint8 (height, width, 1 or 3), all of one shape.
    fps: frames a second; the format counts in hundredths of a second.
    last_seconds: how long the last frame is shown at least.

  Raises:
    UserError: the file cannot be written.
  """
  frames, buffer = [_pillow(frame) for frame in frames], io.BytesIO()
  milliseconds = [round(1000 / fps)] * len(frames)
  milliseconds[-1] = max(milliseconds[-1], round(1000 * last_seconds))
  frames[0].save(buffer, format='GIF', save_all=True, append_images=frames[1:], loop=0, duration=milliseconds)
  atomic_files.write(path, buffer.getvalue())


def _pillow(image):
  from PIL import Image

  image = np.asarray(image)
  return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
