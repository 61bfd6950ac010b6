"""scripts/program_counts.py: the count by hand on programs small enough to count, and what a program's text says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from deconv.ops import conv, conv_transpose
from scripts import program_counts

X, K = np.zeros((2, 5, 5, 4), np.float32), np.zeros((3, 3, 4, 6), np.float32)
UP = 2 * 2 * 25 * 9 * 4 * 6  # images, pixels, taps, channels


def count(f, *arguments):
  return program_counts.by_hand(jax.make_jaxpr(f)(*arguments))


def up(x, k):
  return conv_transpose(x, k, strides=2, padding=1)


def test_a_layer_and_its_gradients():
  assert count(up, X, K) == UP
  score = lambda x, k: jnp.sum(up(x, k) ** 2)
  assert count(jax.jit(jax.value_and_grad(score)), X, K) == 2 * UP
  assert count(jax.grad(score, (0, 1)), X, K) == 3 * UP
  # Nothing asks for the value itself, and a linear layer's gradient does not need it.
  assert count(jax.grad(lambda x, k: jnp.sum(up(x, k))), X, K) == UP


def test_a_strided_convolution_with_groups():
  x, kernel = np.zeros((2, 8, 4), np.float32), np.zeros((3, 2, 6), np.float32)
  assert count(lambda x, k: conv(x, k, strides=2, padding=1, groups=2), x, kernel) == 2 * 2 * 4 * 3 * 2 * 6


def test_products_loops_and_choices():
  a, b = np.zeros((3, 4), np.float32), np.zeros((4, 5), np.float32)
  assert count(jnp.matmul, a, b) == 2 * 3 * 4 * 5
  many = lambda a, b: jax.lax.scan(lambda c, _: (c + a @ b @ b.T, None), a, length=7)[0]
  assert count(many, a, b) == 7 * 2 * (2 * 3 * 4 * 5)
  choice = lambda a, b: jax.lax.cond(a[0, 0] > 0, lambda: (a @ b) @ b.T, lambda: a)
  assert count(choice, a, b) == 2 * (2 * 3 * 4 * 5)


def test_a_convolution_of_lax_counts_what_falls_on_pixels():
  f = lambda x, k: jax.lax.conv_general_dilated(
    x, k, (1, 1), [(2, 2)] * 2, lhs_dilation=(2, 2), dimension_numbers=('NHWC', 'HWIO', 'NHWC')
  )
  # Every tap of every pixel: with padding 2 none is cut away, and zeros between pixels are none.
  assert count(f, X, K) == UP


CALL = 'dim_labels=b01f_o01i->b01f, custom_call_target="__cudnn$convBackwardInput"'
TEXT = """HloModule jit_f, is_scheduled=true, input_output_alias={ {0}: (0, {}, may-alias), {1}: (2, {}, must-alias) }

%moved (p: f32[4,4,8,3]) -> f32[8,4,4,3] {
  %p = f32[4,4,8,3]{3,2,1,0} parameter(0)
  ROOT %t = f32[8,4,4,3]{3,2,1,0} transpose(%p), dimensions={2,0,1,3}
}

%product (a: f32[16,8], b: f32[8,2]) -> f32[16,2] {
  %a = f32[16,8]{1,0} parameter(0)
  %b = f32[8,2]{1,0} parameter(1)
  ROOT %d = f32[16,2]{1,0} dot(%a, %b), lhs_contracting_dims={1}, rhs_contracting_dims={0}
}

%body (s: (s32[], f32[16,8], f32[8,2])) -> (s32[], f32[16,8], f32[8,2]) {
  %s = (s32[], f32[16,8]{1,0}, f32[8,2]{1,0}) parameter(0)
  %x = f32[16,8]{1,0} get-tuple-element(%s), index=1
  %y = f32[8,2]{1,0} get-tuple-element(%s), index=2
  %f = f32[16,2]{1,0} fusion(%x, %y), kind=kCustom, calls=%product
  ROOT %r = (s32[], f32[16,8]{1,0}, f32[8,2]{1,0}) tuple(%s, %x, %y)
}

ENTRY %main (x.1: f32[2,5,5,8], k.1: f32[4,4,8,3], s.1: (s32[], f32[16,8], f32[8,2])) -> f32[2,10,10,3] {
  %k.1 = f32[4,4,8,3]{3,2,1,0} parameter(1)
  %x.1 = f32[2,5,5,8]{3,2,1,0} parameter(0)
  %s.1 = (s32[], f32[16,8]{1,0}, f32[8,2]{1,0}) parameter(2)
  %k.2 = f32[8,4,4,3]{3,2,1,0} fusion(%k.1), kind=kLoop, calls=%moved
  %w = (s32[], f32[16,8]{1,0}, f32[8,2]{1,0}) while(%s.1), body=%body, backend_config={"known_trip_count":{"n":"5"}}
  %c = (f32[2,10,10,3]{3,2,1,0}, u8[0]{0}) custom-call(%x.1, %k.2), @CALL@
  %y = f32[2,10,10,3]{3,2,1,0} get-tuple-element(%c), index=0
  %z = f32[2,19,19,3]{3,2,1,0} pad(%y, %k.1), padding=0_0x0_0_1x0_0_1x0_0
  %sum = f32[2,10,10,3]{3,2,1,0} all-reduce-start(%y), to_apply=%add
  ROOT %done = f32[2,10,10,3]{3,2,1,0} all-reduce-done(%sum)
}
""".replace('@CALL@', CALL)


def test_the_text_of_a_program():
  program = program_counts.Program(TEXT)
  kinds = program_counts.by_kind(program.calls)
  conv = 2 * (2 * 5 * 5 * 8) * 16 * 3
  assert kinds['backward data'][:2] == (1, conv)
  assert kinds['matrix product'][:2] == (5, 5 * 2 * 16 * 8 * 2)
  assert kinds['copy'][:2] == (2, 0)  # the kernel, and the pad
  assert program.products() == conv + 5 * 2 * 16 * 8 * 2
  assert list(kinds) == ['backward data', 'matrix product', 'copy', 'all-reduce']
  (reduction,) = (call for call in program.calls if call.kind == 'all-reduce')
  assert reduction.operand_bytes == 4 * 2 * 10 * 10 * 3
  assert program.aliased == 2
  assert program.zero_stuffed() == ['pad 0_0x0_0_1x0_0_1x0_0']


@pytest.mark.parametrize('dilation', [1, 2])
def test_a_program_of_this_machine(dilation):
  """What XLA writes today is what is read: a strided convolution and a product, compiled here."""

  def f(x, k, a):
    y = jax.lax.conv_general_dilated(
      x, k, (2, 2), [(1, 1)] * 2, rhs_dilation=(dilation,) * 2, dimension_numbers=('NHWC', 'HWIO', 'NHWC')
    )
    return y, a @ a

  arguments = np.zeros((2, 8, 8, 4), np.float32), np.zeros((3, 3, 4, 6), np.float32), np.zeros((16, 16), np.float32)
  program = program_counts.Program(jax.jit(f).lower(*arguments).compile().as_text())
  assert program.products() == count(f, *arguments)
