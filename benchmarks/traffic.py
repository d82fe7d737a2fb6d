"""Count the bytes that AFNO's Triton backend moves, and compare them with those of a fused design.

    python benchmarks/traffic.py

It needs no GPU: it runs the backend on tensors without memory and counts what each kernel and each
PyTorch operation would read and write. Every operand counts once, also if a kernel reads a tile
several times from the cache. The unit is one transfer: all tokens are read or written once. A
design of three fused passes (transform along W; transform along H, MLP and inverse; inverse along W
with the tokens added) makes 7 transfers forward and 17.5 in training.
"""

import functools
from collections.abc import Iterator

import afno_mm  # noqa: F401  reports a broken environment before any other import fails
import torch
from afno_mm.command_line import Parser
from afno_mm.ops.afno import planar
from afno_mm.ops.afno.triton import block_mlp, operator, transforms
from kernel_resources import launches_call
from mixer_bench.layers import STAGES, Stage
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

FUSED_TRANSFERS = dict(forward=7, train=17.5)
# Operations that make a view. They move nothing.
VIEWS = ('view', 'expand', 'permute', 'select', 'slice', 'unsqueeze', 't', 'detach', 'alias')


class Count(TorchDispatchMode):
    """Counts the bytes that PyTorch's operations read and write."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__.rstrip('_')
        views = name in VIEWS or name.startswith(('empty', 'new_empty', '_unsafe_view'))
        if func.namespace == 'aten' and not views:
            tensors = [a for a in (*args, *(kwargs or {}).values()) if isinstance(a, torch.Tensor)]
            self.bytes += sum(map(moved, [*tensors, result]))
            if name == 'baddbmm' and tensors[0].numel() > 1:
                # cuBLAS adds in place, so PyTorch copies the addend first.
                self.bytes += 2 * moved(result)
        return result

    def launch(self, kernel, given: dict, constants: dict) -> None:
        """Count the operands of a launch of a Triton kernel."""
        given = given | constants
        self.bytes += sum(moved(given[name]) for name in operands(kernel.__name__, given))


def moved(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor. An expanded dimension counts once."""
    if not isinstance(tensor, torch.Tensor):
        return 0
    sizes = [n for n, stride in zip(tensor.shape, tensor.stride()) if stride]
    return torch.Size(sizes).numel() * tensor.element_size()


def operands(kernel: str, given: dict) -> Iterator[str]:
    """Yield the names of the tensors that a kernel reads or writes, twice if it does both."""
    if kernel == 'fused_forward_kernel':
        yield from ('z', 'w1', 'b1', 'w2', 'b2', 'output')
        if given['SHRINK'] and given['SAVE_MASK']:
            yield 'mask'
    elif kernel == 'fused_backward_kernel':
        yield from ('grad_output', 'z', 'w1', 'b1', 'w2')
        if given['FOR_WEIGHTS']:
            yield from ('hidden', 'grad_hidden')
        if given['FOR_TOKENS']:
            yield 'grad_z'
    elif kernel == 'linear_kernel':
        yield from ('a', 'w', 'out')
        if given['STEP'] == 'grad_hidden':
            yield 'hidden'
        if given['SHRINK'] and given['SAVE_MASK']:
            yield 'mask'
    elif kernel == 'weight_gradient_kernel':
        yield from ('a', 'grad', 'grad_w')
    elif kernel == 'bias_gradient_kernel':
        yield from ('grad', 'grad_b')
        if given['SHRINK']:
            yield from ('mask', 'grad')
    elif kernel == 'inverse_along_w_kernel':
        yield from ('z', 'matrix', 'out')
        if given['ADD']:
            yield 'add'
    else:
        raise ValueError(f'{kernel} is not counted: add it to operands() of benchmarks/traffic.py')


def transfers(
    stage: Stage, batch: int = 8, dtype: torch.dtype = torch.bfloat16, mode_fraction: float = 1.0
) -> dict[str, float]:
    """Return the bytes moved on a stage, in transfers of its tokens: 'forward' and 'train'."""
    counts = {}
    b = stage.embed_dims // stage.num_blocks
    settings = 0.01, mode_fraction, 'ortho', True
    asked = block_mlp._tf32_is_allowed, block_mlp._capability
    block_mlp._tf32_is_allowed, block_mlp._capability = lambda: True, lambda device: 9
    # The backend keeps no fake matrices, but real ones. Keep them here, so that only the first pass
    # makes them.
    makers = [(planar, name) for name in ('_along_h', 'matrix_along_w', '_multiplicity')]
    makers.append((transforms, 'term_matrix'))
    real = [getattr(module, name) for module, name in makers]
    for (module, name), matrices in zip(makers, real):
        setattr(module, name, functools.cache(matrices.__wrapped__))
    try:
        with FakeTensorMode(), Count() as count, launches_call(count.launch):
            shape = batch, stage.height, stage.width, stage.embed_dims
            x = torch.empty(shape, dtype=dtype, device='cuda')
            matrix, vector = (2, stage.num_blocks, b, b), (2, stage.num_blocks, b)
            weights = [torch.empty(s, device='cuda') for s in (matrix, vector) * 2]
            # The first pass makes the Fourier matrices. It does not count.
            for phase in ('first', 'forward', 'train'):
                count.bytes = 0
                y, *saved = operator._forward(x, *weights, None, *settings, phase == 'train')
                if phase == 'train':
                    operator._backward(y, *weights, None, *saved, *settings, True, True, False)
                counts[phase] = count.bytes / x.nbytes
    finally:
        block_mlp._tf32_is_allowed, block_mlp._capability = asked
        for (module, name), matrices in zip(makers, real):
            setattr(module, name, matrices)
    del counts['first']
    return counts


def fused_tile_bytes(stage: Stage, itemsize: int = 2) -> int:
    """Return the shared memory of a kernel that fuses the H transform, the MLP and the inverse.

    It holds one column of the spectrum in one block of channels, real and imaginary part.
    """
    return 2 * stage.height * (stage.embed_dims // stage.num_blocks) * itemsize


def table(batch: int, bandwidth: float) -> str:
    """Return the Markdown table of all stages. ``bandwidth`` is in bytes per second."""
    lines = [
        '| tokens | MB | forward | of 7 | ms | training | of 17.5 | ms | column tile, KB |',
        '|' + '---|' * 9,
    ]
    for stage in STAGES:
        size = batch * stage.height * stage.width * stage.embed_dims * 2
        cells = [str(stage), f'{size / 1e6:.0f}']
        for phase, count in transfers(stage, batch).items():
            least = FUSED_TRANSFERS[phase]
            cells += [
                f'{count:.1f}',
                f'{count / least:.1f}',
                f'{1e3 * count * size / bandwidth:.3f}',
            ]
        cells.append(f'{fused_tile_bytes(stage) / 1024:.0f}')
        lines.append('| ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def main() -> None:
    parser = Parser(__doc__, 'python benchmarks/traffic.py --bandwidth 4.8e12')
    parser.add_argument('--batch-size', type=int, default=8)
    parser.add_argument(
        '--bandwidth', type=float, default=3.35e12, help='bytes per second (default: an H100)'
    )
    args = parser.parse_args()
    print(
        f'bfloat16, batch {args.batch_size}. A unit is one transfer of the tokens. The times are '
        f'those of the transfers alone at {args.bandwidth / 1e12:.2f} TB/s: computed, not '
        'measured.\n\n' + table(args.batch_size, args.bandwidth)
    )


if __name__ == '__main__':
    main()
