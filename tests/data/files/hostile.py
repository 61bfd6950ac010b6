"""Files that mean harm, or that have come to some."""

import binascii
import os
import socket
import struct
import zlib

import numpy as np

SIGNATURE = b'\x89PNG\r\n\x1a\n'


def chunk(kind, data, checksum=None):
  """The bytes of a chunk of a PNG."""
  body = kind + data
  return struct.pack('>I', len(data)) + body + struct.pack('>I', zlib.crc32(body) if checksum is None else checksum)


def grey_png(values, bits, *others):
  """A PNG of grey of 1, 2, 4, 8 or 16 bits, of integers (h, w), with other chunks before the pixels."""
  height, width = values.shape
  planes = (values[..., None].astype(np.int64) >> np.arange(bits - 1, -1, -1)) & 1
  rows = np.packbits(planes.reshape(height, -1).astype(np.uint8), axis=1)
  data = zlib.compress(b''.join(b'\0' + row.tobytes() for row in rows))
  header = struct.pack('>IIBBBBB', width, height, bits, 0, 0, 0, 0)
  return SIGNATURE + chunk(b'IHDR', header) + b''.join(others) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def huge_png(side=13_300):
  """Two dozen kB that are side x side pixels, RGB of which takes 4 bytes each; below what Pillow refuses by itself."""
  row = bytes(1 + -(-side // 8))
  packer = zlib.compressobj()
  data = b''.join(packer.compress(row) for _ in range(side)) + packer.flush()
  header = struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0)
  return SIGNATURE + chunk(b'IHDR', header) + chunk(b'IDAT', data) + chunk(b'IEND', b'')


def large_text_png():
  """A text that is compressed to a thousandth."""
  text = chunk(b'zTXt', b'Comment\0\0' + zlib.compress(bytes(2**23)))
  return grey_png(np.zeros((8, 8)), 8, text)


def bad_chunk_png():
  """A chunk that lacks what it is to say, for which Pillow raises ValueError."""
  return grey_png(np.zeros((8, 8)), 8, chunk(b'tRNS', b''))


def bad_checksum_png():
  """A chunk that has another checksum than it says."""
  return grey_png(np.zeros((8, 8)), 8, chunk(b'PLTE', bytes(3), checksum=binascii.crc32(b'other')))


def make_no_files(folder):
  """Puts what is no ordinary file but has an image's name into a folder; returns the names."""
  names = ['device.png', 'fifo.png', 'loop_a.png', 'loop_b.png', 'nowhere.png', 'self.png', 'socket.png', 'endless.png']
  os.symlink('/dev/null', folder / 'device.png')
  os.symlink('/dev/zero', folder / 'endless.png')
  os.mkfifo(folder / 'fifo.png')
  os.symlink(folder / 'loop_b.png', folder / 'loop_a.png')
  os.symlink(folder / 'loop_a.png', folder / 'loop_b.png')
  os.symlink(folder / 'gone.png', folder / 'nowhere.png')
  os.symlink('self.png', folder / 'self.png')
  place = os.getcwd()
  with socket.socket(socket.AF_UNIX) as waiting:  # by a short path: a long one is no address
    os.chdir(folder)
    try:
      waiting.bind('socket.png')
    finally:
      os.chdir(place)
  return sorted(names)
