"""Pictures out of arrays: grids, PNG and GIF files, captions. Everything is uint8 (height, width, channels)."""
import io
import math

import numpy as np

from deconv import atomic_files


def image_grid(images, columns=None, padding=2, background=255):
  """Lays images out in rows, left to right and top to bottom.

  Args:
    images: uint8 (n, height, width, channels), n >= 1, channels 1 or 3.
    columns: images in a row; None = the smallest number that makes the grid no taller than wide.
    padding: pixels between images and around the grid.
    background: 0 to 255, the value between the images and in cells without one.

  Returns:
    uint8 (rows * (height + padding) + padding, columns * (width + padding) + padding, channels).

  Raises:
    ValueError: not a batch of uint8 images.
  """
  images = np.asarray(images)
  if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
    raise ValueError(f'images must be uint8 (n >= 1, height, width, channels), not {images.dtype} {images.shape}')
  n, height, width, channels = images.shape
  columns = columns or math.ceil(math.sqrt(n))
  rows = math.ceil(n / columns)
  grid = np.full((rows * (height + padding) + padding, columns * (width + padding) + padding, channels),
                 background, np.uint8)
  for i, image in enumerate(images):
    top, left = (i // columns) * (height + padding) + padding, (i % columns) * (width + padding) + padding
    grid[top:top + height, left:left + width] = image
  return grid


def enlarge(image, factor):
  """Repeats each pixel factor x factor times, so that small images can be looked at; no interpolation."""
  return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def caption(image, text, margin=4):
  """Adds lines of text under an image, black on white; the image is widened with white where the text needs it.

  Args:
    image: uint8 (height, width, 1 or 3).
    text: str; '\\n' starts a new line.
    margin: pixels around the text.

  Returns:
    uint8 (height + text height, max(width, text width), same channels).
  """
  from PIL import Image, ImageDraw, ImageFont
  image = np.asarray(image)
  font = ImageFont.load_default()
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  _, _, right, bottom = ruler.multiline_textbbox((0, 0), text, font=font)
  height, width = math.ceil(bottom) + 2 * margin, max(math.ceil(right) + 2 * margin, image.shape[1])
  label = Image.new('L', (width, height), 255)
  ImageDraw.Draw(label).multiline_text((margin, margin), text, fill=0, font=font)
  label = np.repeat(np.asarray(label)[..., None], image.shape[-1], axis=-1)
  wide = np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), constant_values=255)
  return np.concatenate([wide, label], axis=0)


def voc_palette(n=256):
  """Returns the colour map of PASCAL VOC's masks: uint8 (n, 3), RGB of the numbers 0 to n - 1, n <= 256.

  The devkit's rule: bits 0, 1 and 2 of a number are the highest bits of red, green and blue, bits 3, 4 and 5 the next
  ones, and so on. 0 is black, 255 (ignore) a light (224, 224, 192).
  """
  numbers, palette = np.arange(n), np.zeros((n, 3), np.uint8)
  for bit in range(8):
    palette[:, bit % 3] |= ((numbers >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
  return palette


def colour_mask(mask, palette=None):
  """Paints each class in its colour.

  Args:
    mask: integers (...), 0 to len(palette) - 1.
    palette: uint8 (n, 3); None = `voc_palette()`, which has a colour for 255 too.

  Returns:
    uint8 (..., 3).
  """
  return (voc_palette() if palette is None else np.asarray(palette, np.uint8))[np.asarray(mask, np.int64)]


def segmentation_panel(images, masks, predictions, names, ignore=255, padding=2):
  """Lays out rows of image | truth | prediction | errors and a legend of the classes that occur, in VOC's colours.

  The errors: white where the prediction is wrong, black where it is right, grey where the truth is ignored. Ignored
  pixels of the truth have VOC's colour of 255.

  Args:
    images: uint8 (n, height, width, 1 or 3), n >= 1.
    masks: integers (n, height, width), or None without truth: rows are then image | prediction.
    predictions: integers (n, height, width); or smaller than the images, of networks that predict their middle: then
      they stand in the middle, and what is around them is not judged (prediction and errors are grey there).
    names: of the classes, C strings.
    ignore: value of pixels without truth.
    padding: pixels between the pictures.

  Returns:
    uint8 (rows and legend, width, 3).

  Raises:
    ValueError: arrays of different lengths or sizes.
  """
  images, predictions = np.asarray(images), np.asarray(predictions)
  masks = None if masks is None else np.asarray(masks)
  margins = [big - small for big, small in zip(images.shape[1:3], predictions.shape[1:3])]
  if len(images) != len(predictions) or min(margins) < 0 or (masks is not None and masks.shape != images.shape[:3]):
    raise ValueError(f'images {images.shape}, masks {None if masks is None else masks.shape} and predictions '
                     f'{predictions.shape} do not belong together')
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
    errors = np.where(judged & (masks != ignore), np.where(predictions != masks, 255, 0), grey).astype(np.uint8)
    columns.append(np.repeat(errors[..., None], 3, axis=-1))
  rows = np.stack(columns, axis=1).reshape(-1, *columns[0].shape[1:])
  return legend(image_grid(rows, len(columns), padding),
                [(name, colour) for i, (name, colour) in enumerate(zip(names, voc_palette())) if i in seen]
                + ([('ignored', voc_palette()[ignore])] if ignore in seen else []))


def legend(image, entries, margin=4):
  """Adds a legend under an image: a patch of colour and a name each, in as many lines as its width needs.

  Args:
    image: uint8 (height, width, 3); widened with white where one entry alone is wider.
    entries: sequence of (name, RGB of 0 to 255).
    margin: pixels around the entries.

  Returns:
    uint8 (height + legend height, max(width, width of the widest entry), 3).
  """
  from PIL import Image, ImageDraw, ImageFont
  image, font = np.asarray(image), ImageFont.load_default()
  if not entries:
    return image
  ruler = ImageDraw.Draw(Image.new('L', (1, 1)))
  side = math.ceil(max(ruler.textbbox((0, 0), name, font=font)[3] for name, _ in entries))  # as high as the text
  widths = [side + 2 * margin + math.ceil(ruler.textlength(name, font=font)) for name, _ in entries]
  width = max(image.shape[1], max(widths) + 2 * margin)
  places, left, top = [], margin, margin
  for needed in widths:
    if left > margin and left + needed + margin > width:
      left, top = margin, top + side + margin
    places.append((left, top))
    left += needed + margin
  canvas = Image.new('RGB', (width, top + side + margin), (255, 255, 255))
  draw = ImageDraw.Draw(canvas)
  for (left, top), (name, colour) in zip(places, entries):
    draw.rectangle((left, top, left + side - 1, top + side - 1), fill=tuple(int(x) for x in colour), outline=(128,) * 3)
    draw.text((left + side + margin, top), name, fill=(0, 0, 0), font=font)
  wide = np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), constant_values=255)
  return np.concatenate([wide, np.asarray(canvas)], axis=0)


def save_png(path, image):
  """Writes a PNG file; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    image: uint8 (height, width, 1 or 3).

  Raises:
    UserError: the file cannot be written.
  """
  from PIL import Image
  image = np.asarray(image)
  buffer = io.BytesIO()
  Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(buffer, format='PNG')
  atomic_files.write(path, buffer.getvalue())


def save_gif(path, frames, fps=8):
  """Writes an endlessly repeating GIF; the file is there whole or not at all.

  Args:
    path: where to; its folder is made if need be.
    frames: non-empty sequence of uint8 (height, width, 1 or 3), all of one shape.
    fps: frames a second; the format counts in hundredths of a second.

  Raises:
    UserError: the file cannot be written.
  """
  from PIL import Image
  frames = [Image.fromarray(f[..., 0] if f.shape[-1] == 1 else f) for f in map(np.asarray, frames)]
  buffer = io.BytesIO()
  frames[0].save(buffer, format='GIF', save_all=True, append_images=frames[1:], loop=0, duration=round(1000 / fps))
  atomic_files.write(path, buffer.getvalue())
