"""All mixers of a MiT, and whole models, built from their configs."""

from pathlib import Path

import torch
from afno_mm.engine import build_model
from afno_mm.mixers import mixer_per_stage
from afno_mm.ops import choose_backend
from afno_mm.tasks import task_of
from mmengine.config import Config
from mmengine.registry import MODELS

from .candidates import Model
from .cases import PUBLIC_AFNO, QUARTER, STOCK_ESA, WIDE, Case, too_large, too_long
from .measure import Settings
from .peers import PublicAFNO, StockESA, put_public_afno

STRIDES = (4, 8, 16, 32)
VIT_PATCH = 4
SR_RATIOS = (8, 4, 2, 1)


def mit_case(size: tuple[int, int], settings: Settings) -> Case:
    """Return a case with all mixers of a MiT, each kind at the widths of its config.

    Only the mixers run, each on its own tokens: no patch embedding, norm or feed-forward.
    """
    case = Case('mit', _name(size), _tokens(size), settings)
    torch.manual_seed(0)
    inputs = {}

    def layers(kind, stock=False, **mixer):
        backbone = _config(settings, kind).model.backbone
        # Turn drop path off: only the stock attention applies it inside the mixer.
        backbone.update(init_cfg=None, drop_path_rate=0.0)
        backbone.mixer = None if stock else {**backbone.mixer, **mixer}
        pairs = []
        for i, (_, blocks, _) in enumerate(MODELS.build(backbone).layers):
            grid = [_cells(side, STRIDES[i]) for side in size]
            for j, block in enumerate(blocks):
                attn = StockESA.around(block.attn) if stock else block.attn
                shape = settings.batch, *grid, block.norm1.normalized_shape[0]
                if (i, j, shape) not in inputs:
                    x = torch.randn(shape, device=settings.device)
                    inputs[i, j, shape] = x.requires_grad_()
                pairs.append((attn.to(settings.device), inputs[i, j, shape]))
        return pairs

    afno = layers('afno')
    case.add_afno('AFNO', afno, case.add_public_afno(afno))
    case.add_afno('AFNO-25%', layers('afno', mode_fraction=QUARTER))
    for kind in ('gfn', 'ls', 'esa'):
        case.add(kind.upper(), kind.upper(), lambda kind=kind: [layers(kind)])
    case.add(
        STOCK_ESA,
        'ESA',
        lambda: [layers('esa', stock=True)],
        too_large(settings, _attention_weights(settings, size)),
    )
    case.add('SA', 'SA', lambda: [layers('sa')], too_long(settings, _attended(settings, size)))
    return case


def model_case(size: tuple[int, int], settings: Settings) -> Case:
    """Return a case with whole SegFormers: inference, and a training step.

    The public layers run in MMSegmentation's own SegFormer. The public AFNO layer also runs in the
    SegFormer of this package: this separates the gain of the mixer from the gain of the rest.
    """
    case = Case('model', _name(size), _tokens(size), settings)

    def model(kind, stock=False, public=False, **mixer):
        cfg = _config(settings, kind)
        backbone = cfg.model.backbone
        backbone.init_cfg = None
        layers = mixer_per_stage(backbone.mixer, len(backbone.num_layers))
        backbone.mixer = None if stock else {**backbone.mixer, **mixer}
        if stock:
            cfg.model.decode_head.type = 'SegformerHead'
        built = build_model(cfg, size, settings.device)
        if public:
            put_public_afno(built.backbone, layers)
        torch.manual_seed(0)
        task = task_of(cfg)
        batch = task.random_batch(cfg.model, size, settings.batch)
        return built, built.data_preprocessor(batch, True), task

    if size[1] > size[0]:
        case.notes = WIDE
    choices = ' and '.join(sorted(set(_choices(settings, size))))
    case.add(PUBLIC_AFNO, 'AFNO', lambda: model('afno', stock=True, public=True), candidate=Model)
    case.add(
        f'{PUBLIC_AFNO}, all else ours',
        'AFNO',
        lambda: model('afno', type=PublicAFNO),
        candidate=Model,
    )
    for name, options in (('AFNO', {}), ('AFNO-25%', dict(mode_fraction=QUARTER))):
        added = case.add(
            f'{name} {choices}',
            name,
            lambda options=options: model('afno', **options),
            candidate=Model,
        )
        if added:
            added.chosen = True
    for kind in ('gfn', 'ls', 'esa'):
        case.add(kind.upper(), kind.upper(), lambda kind=kind: model(kind), candidate=Model)
    case.add(
        STOCK_ESA,
        'ESA',
        lambda: model('esa', stock=True),
        too_large(settings, _attention_weights(settings, size)),
        candidate=Model,
    )
    case.add(
        'SA',
        'SA',
        lambda: model('sa'),
        too_long(settings, _attended(settings, size)),
        candidate=Model,
    )
    return case


def inpainting_case(size: tuple[int, int], settings: Settings) -> Case:
    """Return a case with the inpainting ViT-B/4, with each mixer of Table 2 (its latencies)."""
    tokens = _cells(size[0], VIT_PATCH) * _cells(size[1], VIT_PATCH)
    case = Case('inpainting', _name(size), tokens, settings, notes='ViT-B/4')

    def model(kind):
        cfg = _read(settings, f'vit_{kind}_b4_inpainting')
        built = build_model(cfg, None, settings.device)
        torch.manual_seed(0)
        task = task_of(cfg)
        batch = task.random_batch(cfg.model, size, settings.batch)
        return built, built.data_preprocessor(batch, True), task

    for kind in ('sa', 'ls', 'gfn', 'afno'):
        case.add(kind.upper(), kind.upper(), lambda kind=kind: model(kind), candidate=Model)
    return case


def _config(settings, kind):
    return _read(settings, f'segformer_{kind}_{settings.variant}_cityscapes')


def _read(settings, name):
    path = Path(settings.configs, f'{name}.py')
    if not path.is_file():
        raise FileNotFoundError(f'there is no config {path}')
    return Config.fromfile(path)


def _choices(settings, size):
    widths = _config(settings, 'afno').model.backbone.embed_dims
    for stride, channels in zip(STRIDES, widths):
        grid = [_cells(side, stride) for side in size]
        x = torch.empty(settings.batch, *grid, channels, device=settings.device)
        yield choose_backend(x)[0]


def _layers(settings, size):
    """Yield layers, heads, channels, tokens and keys of each stage of SegFormer's attention."""
    backbone = _config(settings, 'esa').model.backbone
    for layers, heads, channels, stride, ratio in zip(
        backbone.num_layers, backbone.num_heads, backbone.embed_dims, STRIDES, SR_RATIOS
    ):
        height, width = (_cells(side, stride) for side in size)
        keys = (height // ratio) * (width // ratio)
        yield layers, heads, channels, height * width, keys


def _attention_weights(settings, size):
    return sum(layers * heads * n * keys for layers, heads, _, n, keys in _layers(settings, size))


def _attended(settings, size):
    return [
        (n, channels)
        for layers, _, channels, n, _ in _layers(settings, size)
        for _ in range(layers)
    ]


def _cells(side, stride):
    return (side - 1) // stride + 1


def _tokens(size):
    return _cells(size[0], STRIDES[0]) * _cells(size[1], STRIDES[0])


def _name(size):
    return 'x'.join(map(str, size))
