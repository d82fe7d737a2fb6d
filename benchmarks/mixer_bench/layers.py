"""Single mixers on the tokens of one stage."""

from dataclasses import dataclass

import torch
from afno_mm.mixers import AFNO, ESA, FNO, GFN, LS, SA

from .cases import PUBLIC_FNO, QUARTER, STOCK_ESA, Case, too_large, too_long
from .measure import Settings
from .peers import PublicFNO, StockESA

FILTERED_AFNO = 'AFNO + filter'  # a mixer of this project, not of the paper
FNO_BYTES = 2**28  # limit of the bytes of FNO's weights


@dataclass(frozen=True)
class Stage:
    """Tokens of one stage, and the settings of its mixers."""

    name: str
    height: int
    width: int
    embed_dims: int
    num_blocks: int
    filter_grid: int | None = None  # grid of GFN's filter. None: the grid of the tokens

    @classmethod
    def parse(cls, text: str) -> 'Stage':
        """Read ``HxWxC/blocks``, or the name of one of ``STAGES``."""
        known = {stage.name: stage for stage in STAGES}
        if text in known:
            return known[text]
        try:
            shape, blocks = text.split('/')
            height, width, channels = map(int, shape.split('x'))
            return cls('', height, width, channels, int(blocks))
        except ValueError:
            raise ValueError(
                f'a shape of this suite is HxWxC/blocks, as in 64x64x440/5, or one of '
                f'{", ".join(known)}, got {text!r}'
            ) from None

    def __str__(self) -> str:
        shape = f'{self.height}x{self.width}x{self.embed_dims}/{self.num_blocks}'
        return f'{self.name} {shape}'.strip()

    @property
    def num_heads(self) -> int:
        return self.num_blocks if self.embed_dims % 64 else self.embed_dims // 64

    @property
    def sr_ratio(self) -> int:
        """SegFormer's largest reduction ratio that leaves at least 32 rows of keys, else 1."""
        return next((ratio for ratio in (8, 4, 2) if self.height // ratio >= 32), 1)

    @property
    def num_modes(self) -> int:
        """Modes per axis of FNO: 14 as in A.6, or as many as fit into ``FNO_BYTES``."""
        return next(
            m for m in range(14, 0, -1) if m == 1 or 2 * m * m * self.embed_dims**2 * 8 <= FNO_BYTES
        )


STAGES = [
    Stage('s1', 256, 256, 208, 1, 56),
    Stage('s2', 128, 128, 288, 2, 28),
    Stage('s3', 64, 64, 440, 5, 14),
    Stage('s4', 32, 32, 512, 8, 7),
    Stage('ViT-B/4', 56, 56, 768, 1),
]


def stage_case(suite: str, stage: Stage, settings: Settings) -> Case:
    """Return a case with every mixer at the width of one stage, all on the same tokens."""
    grid, width = (stage.height, stage.width), stage.embed_dims
    heads, ratio = stage.num_heads, stage.sr_ratio
    tokens = stage.height * stage.width
    modes = stage.num_modes, stage.num_modes
    case = Case(
        suite,
        str(stage),
        tokens,
        settings,
        notes=f'{modes[0]} modes per axis in FNO, {heads} heads, R = {ratio}',
    )
    torch.manual_seed(0)
    x = torch.randn(settings.batch, *grid, width, device=settings.device).requires_grad_()

    def layers(mixer, *arguments, **options):
        return [(mixer(*arguments, **options).to(settings.device), x)]

    afno = layers(AFNO, width, stage.num_blocks)
    case.add_afno('AFNO', afno, case.add_public_afno(afno))
    case.add_afno('AFNO-25%', layers(AFNO, width, stage.num_blocks, mode_fraction=QUARTER))
    # AFNO chooses the backend. Compare with the rows of AFNO to see the cost of the filter.
    with_filter = dict(num_blocks=stage.num_blocks, frequency_filter='smooth')
    case.add(FILTERED_AFNO, FILTERED_AFNO, lambda: [layers(AFNO, width, **with_filter)])
    case.add('GFN', 'GFN', lambda: [layers(GFN, width, stage.filter_grid or grid)])
    case.add(PUBLIC_FNO, 'FNO', lambda: [layers(PublicFNO, width, modes)])
    case.add('FNO', 'FNO', lambda: [layers(FNO, width, modes)])
    case.add('LS', 'LS', lambda: [layers(LS, width, heads)])
    ((esa, _),) = layers(ESA, width, heads, ratio)
    keys = (stage.height // ratio) * (stage.width // ratio)
    stock = case.add(
        STOCK_ESA,
        'ESA',
        lambda: [layers(StockESA, width, heads, ratio)],
        too_large(settings, heads * tokens * keys),
    )
    agrees = True
    if stock:
        stock.layers[0][0].layer.load_state_dict(esa.state_dict())
        agrees = case.agrees('ESA', STOCK_ESA, case.esa_distance(esa, stock.layers[0][0], x))
    if agrees:
        case.add('ESA', 'ESA', lambda: [[(esa, x)]])
    case.add('SA', 'SA', lambda: [layers(SA, width, heads)], too_long(settings, [(tokens, width)]))
    return case
