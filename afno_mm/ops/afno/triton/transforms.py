"""A Triton kernel for the last step of AFNO: the inverse transform along W, plus the tokens.

PyTorch's ``baddbmm`` would first copy the tokens into its result: one more read and write of all
tokens.
"""

import math

import torch
import triton
import triton.language as tl
from torch import Tensor

from ...exporting import cached
from .. import planar

# Tiles: rows, columns, terms, warps, stages. Timed on an H200.
TILES = 128, 128, 32, 4, 3


def inverse_along_w(
    z: Tensor, width: int, mirrored: bool, scale: float, add: Tensor | None
) -> Tensor:
    """Return ``scale * A^T z`` (``A^T D z`` if ``mirrored``) along W, plus ``add``.

    Args:
        z: ``(N, 2 * K2, C)``, half precision: real, then imaginary parts of the columns.
        width: W, the number of tokens of a line.
        mirrored: As in :func:`afno_mm.ops.afno.planar.synthesise`.
        scale: A factor of the result.
        add: Contiguous ``(N, W, C)`` or None.

    Returns:
        ``(N, W, C)`` in the dtype of ``z``.
    """
    lines, rows, channels = z.shape
    matrix = term_matrix(width, rows // 2, mirrored, z.dtype, z.device)
    out = z.new_empty(lines, width, channels)
    tile, column_tile, term_tile, warps, stages = TILES
    tile = min(tile, max(16, 1 << (width - 1).bit_length()))
    grid = (math.ceil(width / tile) * math.ceil(lines * channels / column_tile),)
    inverse_along_w_kernel[grid](
        *(z, matrix, out if add is None else add, out, scale, lines),
        WIDTH=width,
        TERMS=matrix.shape[1],
        ROWS=rows,
        CHANNELS=channels,
        ALIGNED=math.gcd(channels, 16),
        ADD=add is not None,
        TILE=tile,
        COLUMN_TILE=column_tile,
        TERM_TILE=term_tile,
        num_warps=warps,
        num_stages=stages,
    )
    return out


@cached
def term_matrix(
    width: int, columns: int, mirrored: bool, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Return the matrix ``(W, terms)`` without the terms that are always zero.

    The imaginary part of the DC column is one, and so is that of the Nyquist column. Zeros make the
    number of terms a multiple of 16, so that the kernel loads aligned rows.
    """
    matrix = planar.matrix_along_w(width, columns, mirrored, dtype, device).t()
    nyquist = 2 * (columns - 1) == width
    kept = torch.cat([matrix[:, :columns], matrix[:, columns + 1 : 2 * columns - nyquist]], 1)
    return torch.nn.functional.pad(kept, (0, -kept.shape[1] % 16)).contiguous()


@triton.jit(do_not_specialize=['lines'])
def inverse_along_w_kernel(
    z,
    matrix,
    add,
    out,
    scale,
    lines,
    WIDTH: tl.constexpr,
    TERMS: tl.constexpr,
    ROWS: tl.constexpr,
    CHANNELS: tl.constexpr,
    ALIGNED: tl.constexpr,
    ADD: tl.constexpr,
    TILE: tl.constexpr,
    COLUMN_TILE: tl.constexpr,
    TERM_TILE: tl.constexpr,
):
    """Compute ``out = scale * matrix z (+ add)`` for every line.

    All lines side by side are one matrix of ``lines * CHANNELS`` columns. A program
    computes TILE tokens of COLUMN_TILE columns. Grid: (token tiles * column tiles).
    """
    TILES: tl.constexpr = (WIDTH + TILE - 1) // TILE
    token = (tl.program_id(0) % TILES) * TILE + tl.arange(0, TILE)
    # Offsets within a tile have 32 bits. The first column and the offset of its line have 64.
    first = (tl.program_id(0) // TILES).to(tl.int64) * COLUMN_TILE
    first_line = first // CHANNELS
    column = (first - first_line * CHANNELS).to(tl.int32) + tl.arange(0, COLUMN_TILE)
    # ALIGNED channels lie side by side in a line, at an aligned address. Triton does not find this
    # out by itself, and would load one value at a time.
    line = tl.max_constancy(column // CHANNELS, ALIGNED)
    channel = tl.max_contiguous(tl.multiple_of(column % CHANNELS, ALIGNED), ALIGNED)
    exists = (line < (lines - first_line).to(tl.int32))[None, :]
    z += first_line * (ROWS * CHANNELS)
    of_z = (line * (ROWS * CHANNELS) + channel)[None, :]
    total = tl.zeros([TILE, COLUMN_TILE], tl.float32)
    for start in range(0, TERMS, TERM_TILE):
        term = start + tl.arange(0, TERM_TILE)
        # Row ROWS // 2 is the imaginary part of the DC column. The matrix leaves it out.
        row = (term + (term >= ROWS // 2).to(tl.int32))[:, None]
        of_matrix = token[:, None] * TERMS + term[None, :]
        inside = (token < WIDTH)[:, None] & (term < TERMS)[None, :]
        m = tl.load(matrix + of_matrix, mask=inside, other=0.0)
        values = tl.load(z + (row * CHANNELS + of_z), mask=exists & (row < ROWS), other=0.0)
        total = tl.dot(m, values, total)
    total *= scale
    at = line[None, :] * (WIDTH * CHANNELS) + token[:, None] * CHANNELS + channel[None, :]
    start_of_line = first_line * (WIDTH * CHANNELS)
    exists = exists & (token < WIDTH)[:, None]
    if ADD:
        total += tl.load(add + start_of_line + at, mask=exists, other=0.0)
    tl.store(out + start_of_line + at, total.to(out.dtype.element_ty), mask=exists)
