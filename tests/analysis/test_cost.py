"""Multiply-accumulates against the paper's tables and against formulas."""

import copy
from math import log2
from pathlib import Path

import pytest
import torch
from afno_mm.analysis import as_the_paper_counts, model_cost
from afno_mm.registry import MODELS
from mmengine.config import Config

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[2] / 'configs'
B3 = 'segformer_{}_b3_cityscapes', (1024, 1024)
VIT_B, VIT_S, VIT_XS = (
    (f'vit_{{}}_{name}', (224, 224)) for name in ('b4_inpainting', 's4_imagenet', 'xs4_inpainting')
)
# Tables 2, 4 and 5: GFLOPs.
TABLES = [
    (VIT_B, dict(sa=357.2, ls=274.2, gfn=177.8, afno=257.2), {}),
    (B3, dict(esa=380.7, ls=409.1, gfn=363.4, afno=440.0, afno25=429.0), {}),
    # Table 5 counts 4 of the 12 layers of A.5.
    (VIT_S, dict(ls=15.8, gfn=6.1, afno=15.3), {'model.backbone.arch.num_layers': 4}),
]
# Tokens, layers, width and blocks of the stages of AFNO's B3 at 1024x1024, and of ViTs.
AFNO_B3 = [(256, 3, 208, 1), (128, 4, 288, 2), (64, 18, 440, 5), (32, 3, 512, 8)]
AFNO_VIT_B, AFNO_VIT_S = [(56, 12, 750, 1)], [(56, 12, 384, 16)]
GFN_B3 = [(256, 3, 128), (128, 4, 256), (64, 18, 440), (32, 3, 512)]


def load(model, mixer, **settings):
    template, size = model
    cfg = Config.fromfile(CONFIGS / f'{template.format(mixer)}.py')
    cfg.merge_from_dict(settings)
    return cfg, size


def cost(*args, **settings):
    return model_cost(*load(*args, **settings))


@pytest.mark.parametrize(
    'model, mixer, settings, paper',
    [
        (model, mixer, settings, gflops)
        for model, row, settings in TABLES
        for mixer, gflops in row.items()
    ],
)
def test_totals_are_the_paper_s(model, mixer, settings, paper):
    counted = as_the_paper_counts(*load(model, mixer, **settings))
    assert counted / 1e9 == pytest.approx(paper, rel=0.007)


@pytest.mark.parametrize('model, mixer, gmacs', [(VIT_B, 'sa', 447.86), (VIT_B, 'ls', 273.99)])
def test_totals_of_all_work(model, mixer, gmacs):
    assert cost(model, mixer).total / 1e9 == pytest.approx(gmacs, rel=1e-4)


@pytest.mark.parametrize('mixer, gmacs', [('esa', 129.93), ('ls', 84.35), ('sa', 2161.6)])
def test_attention_of_all_stages(mixer, gmacs):
    assert cost(B3, mixer).mixers.total() / 1e9 == pytest.approx(gmacs, rel=1e-4)


@pytest.mark.parametrize('model, stages', [(B3, AFNO_B3), (VIT_B, AFNO_VIT_B), (VIT_S, AFNO_VIT_S)])
def test_afno_multiplies_eight_reals_per_frequency(model, stages):
    found = cost(model, 'afno').mixers
    assert found['products'] == pytest.approx(
        sum(layers * n * (n // 2 + 1) * 8 * d**2 // k for n, layers, d, k in stages)
    )
    convolution = sum(layers * n**2 * d**2 for n, layers, d, _ in stages)
    assert found['bias'] == (0 if model is B3 else pytest.approx(convolution))
    # 2.5 N log2(N) d for both transforms, up to the DC and Nyquist columns.
    assert found['transforms'] == pytest.approx(
        sum(layers * 2.5 * n**2 * log2(n**2) * d for n, layers, d, _ in stages), rel=0.02
    )


def test_gfn_transforms_and_no_more_on_its_own_grid():
    found = cost(B3, 'gfn', **{'model.backbone.pretrain_img_size': 1024}).mixers
    assert set(found) == {'transforms'}
    assert found['transforms'] / 1e9 == pytest.approx(2.6, rel=0.02)  # Table 4
    assert found['transforms'] == pytest.approx(
        sum(layers * 2.5 * n**2 * log2(n**2) * d for n, layers, d in GFN_B3), rel=0.02
    )
    assert cost(B3, 'gfn').mixers['products'] > 0  # resizing filters


def test_fno_has_complex_products_of_four_reals():
    assert cost(VIT_XS, 'fno').mixers['products'] == 5 * 28 * 14 * 4 * 64**2


@MODELS.register_module()
class Blocks(torch.nn.Module):
    """A mixer without FFT and without attention: products with blocks of channels."""

    def __init__(self, embed_dims: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(4, embed_dims // 4, embed_dims // 4))

    def forward(self, x):  # (B, H, W, C)
        return torch.einsum('bhwki,kio->bhwko', x.unflatten(-1, (4, -1)), self.weight).flatten(-2)


def test_only_attention_counts_as_attention():
    mixers = dict(type='Blocks', _delete_=True)
    assert set(cost(VIT_XS, 'afno', **{'model.backbone.mixer': mixers}).mixers) == {'products'}
    for mixer in ('sa', 'ls'):
        assert cost(VIT_B, mixer).mixers['attention'] > 0


def test_stock_attention_costs_what_esa_costs():
    stock, esa = load(B3, 'esa', **{'model.backbone.mixer': None}), load(B3, 'esa')
    assert model_cost(*stock).mixers == model_cost(*esa).mixers
    assert model_cost(*stock).mixer == 'EfficientMultiheadAttention'
    assert as_the_paper_counts(*stock) == as_the_paper_counts(*esa)


def test_counting_ignores_the_chosen_backend_and_leaves_the_config_alone(monkeypatch):
    monkeypatch.setenv('AFNO_MM_BACKEND', 'eager')
    cfg, size = load(B3, 'afno')
    before = copy.deepcopy(cfg.to_dict())
    counted = model_cost(cfg, size)
    as_the_paper_counts(cfg, size)
    assert cfg.to_dict() == before and model_cost(cfg, size) == counted


def test_models_in_no_table_are_not_counted_as_the_paper():
    for name in (
        'swin_t_cityscapes',
        'deeplabv3plus_mobilenetv2_cityscapes',
        'vit_fno_xs4_inpainting',
    ):
        assert as_the_paper_counts(*load((name, (64, 64)), '')) is None
