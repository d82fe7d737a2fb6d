"""Compile the Triton kernels of AFNO for several GPUs, and print the resources that they use.

    python benchmarks/kernel_resources.py
    python benchmarks/kernel_resources.py --capabilities 90 --shapes 8x144 --kinds half

It needs no GPU and no driver: Triton includes the assembler. Each line of the table is one kernel
at one shape. It has the registers per thread, the bytes of spilled registers per thread, the bytes
of shared memory per program, and their share of what the GPU gives to one program. The exit code is
1 if a kernel needs more shared memory than there is. Kernels that spill are no error: see
`block_mlp.py`.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, nullcontext
from itertools import product
from pathlib import Path
from unittest import mock

import torch
from afno_mm.command_line import Parser

# Bytes of shared memory that one program may have, by compute capability (CUDA C++ Programming
# Guide, "Technical Specifications per Compute Capability").
KILOBYTES = {80: 163, 86: 99, 89: 99, 90: 227, 100: 227, 120: 99}
SHARED_MEMORY = {capability: 1024 * size for capability, size in KILOBYTES.items()}
KINDS = {
    'half': (torch.bfloat16, True),
    'tf32': (torch.float32, True),
    'exact': (torch.float32, False),
}
# Number of blocks and block size: SegFormer-B3's stages, ViT-B/4, SegFormer-B0's stages.
SHAPES = [(1, 208), (2, 144), (5, 88), (8, 64), (1, 768), (1, 32), (2, 32), (5, 32), (8, 32)]
TYPES = {
    torch.float32: '*fp32',
    torch.bfloat16: '*bf16',
    torch.uint8: '*u8',
    int: 'i32',
    float: 'fp32',
}


class Launcher:
    """Stands for a kernel: passes on what a launch gives it, as arguments by name and constants."""

    def __init__(self, kernel, run: Callable[..., None]) -> None:
        self.kernel, self.run = kernel, run

    def __getitem__(self, grid):
        return self.launch

    def launch(self, *args, **constants):
        self.run(self.kernel, dict(zip(self.kernel.arg_names, args)), constants)


def launches_call(run: Callable[..., None]) -> AbstractContextManager:
    """Return a context in which ``run(kernel, arguments, constants)`` replaces each launch."""
    from afno_mm.ops.afno.triton import kernels, transforms

    context = ExitStack()
    # Tokens without values may be on a GPU that is not there.
    context.enter_context(mock.patch('torch.cuda.device_of', nullcontext))
    for module in (kernels, transforms):
        names = [name for name in vars(module) if name.endswith('_kernel')]
        replaced = {name: Launcher(getattr(module, name), run) for name in names}
        context.enter_context(mock.patch.multiple(module, **replaced))
    return context


def compile_kernel(kernel, given: dict, constants: dict, capability: int) -> dict:
    """Compile a kernel as one launch would. Return its name, resources and PTX code."""
    import triton

    options = {name: constants.pop(name) for name in ('num_warps', 'num_stages')}
    names = kernel.arg_names
    signature = {
        name: TYPES[getattr(given[name], 'dtype', type(given[name]))]
        if name in given
        else 'constexpr'
        for name in names
    }
    aligned = {
        (i,): [['tt.divisibility', 16]]
        for i, value in enumerate(given.values())
        if isinstance(value, torch.Tensor)
    }
    source = triton.compiler.ASTSource(
        kernel, signature, {(names.index(k),): v for k, v in constants.items()}, aligned
    )
    target = triton.backends.compiler.GPUTarget('cuda', capability, 32)
    compiled = triton.compile(source, target=target, options=options)
    name = kernel.__name__.removesuffix('_kernel')
    return dict(
        kernel=f'{name} {constants.get("STEP", "")}'.strip(),
        warps=options['num_warps'],
        shared=compiled.metadata.shared,
        ptx=compiled.asm['ptx'],
        **registers(compiled.asm['cubin']),
    )


def registers(cubin: bytes) -> dict[str, int]:
    """Return the registers and the bytes of spilled registers of a thread, from the binary."""
    import triton

    tool = Path(triton.__file__).parent / 'backends' / 'nvidia' / 'bin' / 'cuobjdump'
    with tempfile.NamedTemporaryFile(suffix='.cubin') as file:
        file.write(cubin)
        file.flush()
        command = [str(tool), '--dump-resource-usage', file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = {key: int(value) for key, value in re.findall(r'(REG|STACK|LOCAL):(\d+)', text)}
    return dict(registers=used['REG'], spilled=used['STACK'] + used['LOCAL'])


def compile_case(capability: int, num_blocks: int, block_size: int, kind: str) -> list[dict]:
    """Compile all kernels, forward and backward. Return one dict per kernel."""
    from afno_mm.ops.afno.triton import block_mlp, transforms

    case = dict(capability=capability, shape=f'{num_blocks}x{block_size}', kind=kind)
    found: list[dict] = []
    dtype, block_mlp._tf32_is_allowed = KINDS[kind][0], lambda: KINDS[kind][1]
    block_mlp._capability = lambda device: capability // 10
    with launches_call(lambda *launch: found.append(case | compile_kernel(*launch, capability))):
        z = torch.empty(2, 2, 640, num_blocks * block_size, dtype=dtype, device='meta')
        matrix, vector = (2, num_blocks, block_size, block_size), (2, num_blocks, block_size)
        weights = (
            torch.empty(matrix, dtype=dtype, device='meta'),
            torch.empty(vector, device='meta'),
        )
        weights *= 2
        _, mask = block_mlp.forward(z, weights, 0.01, 1.0, keep=True)
        block_mlp.backward(z, mask, z, weights, 1.0, 1.0, for_tokens=True, for_weights=True)
        if kind == 'half':
            x = torch.empty(16, 64, num_blocks * block_size, dtype=dtype, device='meta')
            transforms.inverse_along_w(x.new_empty(16, 66, x.shape[2]), 64, True, 1.0, x)
    return found


def table(entries: list[dict]) -> str:
    """Return a Markdown table of the kernels, without repeated lines."""
    lines = [
        '| GPU | blocks | products | kernel | warps | registers | spilled | shared | share |',
        '|' + '---|' * 9,
    ]
    for e in entries:
        share = 100 * e['shared'] / SHARED_MEMORY[e['capability']]
        lines.append(
            f'| {e["capability"] / 10} | {e["shape"]} | {e["kind"]} | {e["kernel"]} | {e["warps"]} '
            f'| {e["registers"]} | {e["spilled"]} | {e["shared"]} | {share:.0f} % |'
        )
    return '\n'.join(dict.fromkeys(lines))


def parse_args() -> argparse.Namespace:
    example = 'python benchmarks/kernel_resources.py --capabilities 90 --shapes 8x64 --kinds half'
    parser = Parser(__doc__, example)
    parser.add_argument('--capabilities', type=int, nargs='+', default=list(SHARED_MEMORY))
    parser.add_argument(
        '--shapes', nargs='+', default=[f'{k}x{b}' for k, b in SHAPES], metavar='BLOCKSxSIZE'
    )
    parser.add_argument('--kinds', nargs='+', choices=KINDS, default=list(KINDS))
    parser.add_argument('--jobs', type=int, help='processes (default: one per core)')
    parser.add_argument('--out', metavar='FILE.md', help='write the table to a file, too')
    parser.add_argument('--json', action='store_true', help='print JSON, with the PTX code')
    return parser.parse_args()


def main() -> int:
    args = parse_args()
    os.environ.pop('TRITON_INTERPRET', None)  # Interpreted kernels cannot be compiled.
    shapes = [tuple(map(int, text.split('x'))) for text in args.shapes]
    cases = [(c, *s, k) for c, s, k in product(args.capabilities, shapes, args.kinds)]
    with ProcessPoolExecutor(args.jobs) as pool:
        entries = [e for found in pool.map(compile_case, *zip(*cases)) for e in found]
    if args.json:
        print(json.dumps(entries))
        return 0
    import triton

    text = f'Compiled by Triton {triton.__version__}.\n\n{table(entries)}'
    print(text)
    if args.out:
        Path(args.out).write_text(text + '\n')
    wrong = [e for e in entries if e['shared'] > SHARED_MEMORY[e['capability']]]
    for e in wrong:
        print(
            f'{e["kernel"]} at capability {e["capability"] / 10}, {e["shape"]}, {e["kind"]} needs '
            f'{e["shared"]} bytes of shared memory, there are {SHARED_MEMORY[e["capability"]]}',
            file=sys.stderr,
        )
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
