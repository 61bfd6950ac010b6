"""Bytes and FLOPs of the operators compiled ahead of time for a TPU v3, which needs libtpu but no TPU."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

# (input side, c_in, c_out) of the DCGAN ladder, 4x4/2, at 256 images.
LADDER = [(4, 512, 256), (8, 256, 128), (16, 128, 64)]

PROGRAM = """
import json, sys
import jax, jax.numpy as jnp, numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P
from deconv.ops import conv_transpose
try:
  topology = topologies.get_topology_desc(platform='tpu', topology_name='v3:2x2')
except Exception as error:
  print(json.dumps({'skip': f'{type(error).__name__}: {error}'[:200]}))
  sys.exit()
whole = NamedSharding(Mesh(np.array(topology.devices[:1]), ('data',)), P())

def lax(x, k):
  k = jnp.flip(k, (0, 1))
  return jax.lax.conv_transpose(x, k, (2, 2), [(2, 2)] * 2, dimension_numbers=('NHWC', 'HWIO', 'NHWC'))

def ours(x, k):
  return conv_transpose(x, k, strides=2, padding=1)

def cost(f, *shapes):
  args = [jax.ShapeDtypeStruct(s, jnp.float32, sharding=whole) for s in shapes]
  c = jax.jit(f, out_shardings=whole).lower(*args).compile().cost_analysis()
  return [c['bytes accessed'], c['flops']]

for side, c_in, c_out in json.loads(sys.argv[1]):
  x, k, ct = (256, side, side, c_in), (4, 4, c_in, c_out), (256, 2 * side, 2 * side, c_out)
  row = {}
  for name, f in (('lax', lax), ('ours', ours)):
    row[name] = {
        'forward': cost(f, x, k),
        'dx': cost(lambda x, k, ct: jax.vjp(lambda x: f(x, k), x)[1](ct)[0], x, k, ct),
        'dw': cost(lambda x, k, ct: jax.vjp(lambda k: f(x, k), k)[1](ct)[0], x, k, ct)}
  print(json.dumps(row), flush=True)
"""


@pytest.mark.skipif(
  importlib.util.find_spec('libtpu') is None, reason='libtpu is not installed: nothing to compile for a TPU with'
)
def test_bytes_and_flops_on_a_tpu():
  env = {
    **os.environ,
    'JAX_PLATFORMS': 'cpu',
    'TPU_SKIP_MDS_QUERY': '1',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'TPU_ACCELERATOR_TYPE': 'v3-8',
    'TPU_WORKER_HOSTNAMES': 'localhost',
    'TPU_WORKER_ID': '0',
    'PYTHONPATH': os.pathsep.join(p for p in sys.path if p),
  }
  done = subprocess.run(
    [sys.executable, '-c', PROGRAM, json.dumps(LADDER)],
    env=env,
    capture_output=True,
    text=True,
    timeout=900,
    check=False,
  )
  assert done.returncode == 0, done.stderr[-2000:]
  rows = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{')]
  if 'skip' in rows[0]:
    pytest.skip(f'libtpu cannot describe a TPU here: {rows[0]["skip"]}')
  assert len(rows) == len(LADDER)
  for row in rows:
    for part, (size, flops) in row['ours'].items():
      size_lax, flops_lax = row['lax'][part]
      assert size <= 1.001 * size_lax and flops <= 1.001 * flops_lax, (part, row)
  ratios = [row['ours']['dw'][0] / row['lax']['dw'][0] for row in rows]
  print('bytes of the weight gradient, ours / lax:', ratios)
  assert max(ratios) <= 0.75, ratios
