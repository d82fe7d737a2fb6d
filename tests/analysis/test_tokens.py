"""The layers of a running model, their spectra and clusters."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from afno_mm.analysis import Layer, align_clusters, run_layers, shrunk_spectrum, token_clusters
from afno_mm.analysis.clusters import layer_clusters
from afno_mm.backbones import MiT, SegSwin, SegViT, ViT
from afno_mm.engine import build_model
from afno_mm.hub import from_pretrained
from afno_mm.mixers import AFNO, GFN
from afno_mm.ops import block_mlp
from mmengine.config import Config

CONFIGS = Path(__file__).parents[2] / 'configs'

AFNO_2 = dict(type='AFNO', num_blocks=2)
# Backbone and grids of its layers on an image of 64x48.
BACKBONES = {
    'MiT': (
        MiT(embed_dims=8, num_layers=(1, 2, 1, 1), mixer=[AFNO_2, AFNO_2, None, AFNO_2]),
        [(16, 12), (8, 6), (8, 6), (2, 2)],
    ),
    'ViT': (
        ViT(
            arch=dict(embed_dims=16, num_layers=3, num_heads=2, feedforward_channels=16),
            img_size=(64, 48),
            patch_size=8,
            with_cls_token=False,
            out_type='featmap',
            mixer=dict(type='SA'),
        ),
        [(8, 6)] * 3,
    ),
    'SegViT': (
        SegViT(
            img_size=(64, 48),
            patch_size=16,
            embed_dims=16,
            num_layers=2,
            num_heads=2,
            with_cls_token=False,
            mixer=AFNO_2,
        ),
        [(4, 3)] * 2,
    ),
    'SegSwin': (
        SegSwin(
            embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=2, mixer=AFNO_2
        ),
        [(16, 12), (8, 6), (4, 3), (2, 2)],
    ),
}


@pytest.mark.parametrize('name', BACKBONES)
def test_layers_are_those_that_ran_on_their_grids(name):
    backbone, grids = BACKBONES[name]
    layers = run_layers(backbone.eval(), torch.randn(2, 3, 64, 48))
    assert [tuple(layer.tokens.shape[:3]) for layer in layers] == [(2, *grid) for grid in grids]
    for layer in layers:
        block = backbone.get_submodule(layer.name)
        assert layer.mixer is block.attn and layer.mixed.shape == layer.tokens.shape
        assert not block._forward_hooks and not block.attn._forward_pre_hooks


def test_tokens_are_those_after_the_block_and_before_its_mixer():
    vit = BACKBONES['ViT'][0].eval()
    images = torch.randn(1, 3, 64, 48)
    layers = run_layers(vit, images)
    last, before = layers[-1].tokens, layers[-2].tokens
    torch.testing.assert_close(vit.ln1(last).permute(0, 3, 1, 2), vit(images)[0])
    torch.testing.assert_close(layers[-1].mixed, vit.layers[-1].ln1(before))


def test_backbone_without_mixers_is_refused():
    with pytest.raises(ValueError, match='no block of MiT has a token mixer: set model.backbone'):
        run_layers(MiT(embed_dims=8, num_layers=(1, 1, 1, 1)), torch.randn(1, 3, 32, 32))


@pytest.mark.parametrize('grid', [(8, 8), (9, 8), (7, 16), (1, 5)])
@pytest.mark.parametrize('mode_fraction', [1.0, 0.5])
def test_magnitudes_are_those_of_what_the_mixer_adds(grid, mode_fraction):
    mixer = AFNO(
        12,
        num_blocks=3,
        sparsity_threshold=0.1,
        mode_fraction=mode_fraction,
        bias='none',
        init='scaled',
    ).double()
    x = torch.randn(2, *grid, 12, dtype=torch.float64)
    magnitude, zeros = shrunk_spectrum(Layer('0', x, mixer, x))
    with torch.no_grad():
        wanted = torch.fft.fft2(mixer(x)[0], dim=(0, 1), norm='ortho').abs().mean(-1)
    wanted = torch.fft.fftshift(wanted)
    # irfft2 uses only the Hermitian part of the DC and Nyquist columns: leave them out.
    centre, width = grid[1] // 2, grid[1]
    through = [c for c in range(width) if c != centre and (width % 2 or c != 0)]
    assert through or width == 1
    torch.testing.assert_close(magnitude[:, through], wanted[:, through])
    assert (zeros[magnitude == 0] == 1).all() and ((zeros > 0) & (zeros < 1)).any()
    assert ((magnitude == 0).double().mean() > 0.3) == (mode_fraction < 1)


@pytest.mark.parametrize('grid', [(8, 8), (9, 8), (1, 5)])
def test_all_columns_have_the_magnitudes_after_the_mlp(grid):
    """Also the DC and Nyquist columns, which the MLP leaves without symmetry."""
    mixer = AFNO(4, num_blocks=2, sparsity_threshold=0.1, init='scaled').double()
    x = torch.randn(1, *grid, 4, dtype=torch.float64)
    magnitude, zeros = shrunk_spectrum(Layer('0', x, mixer, x))
    with torch.no_grad():
        z = torch.fft.rfft2(x, dim=(1, 2), norm='ortho')
        z = block_mlp(z, mixer.w1, mixer.b1, mixer.w2, mixer.b2, 0.1)[0]
    for v in range(grid[1] // 2 + 1):
        for u in range(grid[0]):
            at = (u + grid[0] // 2) % grid[0], (v + grid[1] // 2) % grid[1]
            torch.testing.assert_close(magnitude[at], z[u, v].abs().mean())
            torch.testing.assert_close(
                zeros[at], (torch.view_as_real(z[u, v]) == 0).double().mean()
            )


def test_spectra_of_a_mixer_with_padding_are_those_of_the_padded_tokens():
    padding, without = (AFNO(8, num_blocks=2, padding=share) for share in (0.5, 0.0))
    without.load_state_dict(padding.state_dict())
    x = torch.randn(1, 6, 8, 8)
    padded = torch.nn.functional.pad(x, (0, 0, 0, 4, 0, 3))
    found = shrunk_spectrum(Layer('0', x, padding, x))
    torch.testing.assert_close(found, shrunk_spectrum(Layer('0', padded, without, padded)))


@pytest.mark.parametrize('threshold, share', [(0.0, 0.0), (1e6, 1.0)])
def test_share_of_zeros(threshold, share):
    # Axes of more than one token: on an axis of one, all imaginary parts are zero.
    x = torch.randn(1, 6, 7, 8)
    mixer = AFNO(8, num_blocks=1, sparsity_threshold=threshold, init='scaled')
    assert (shrunk_spectrum(Layer('0', x, mixer, x))[1] == share).all()


def test_spectra_of_other_mixers_are_refused():
    with pytest.raises(TypeError, match='only AFNO shrinks spectra, layers.1 has GFN'):
        shrunk_spectrum(Layer('layers.1', None, GFN(4, (2, 2)), None))


def test_model_has_the_checkpoint_s_weights_and_the_config_keeps_its_own(tmp_path):
    cfg = Config.fromfile(CONFIGS / 'segformer_esa_b0_cityscapes.py')
    before = copy.deepcopy(cfg.to_dict())
    assert before['model']['backbone']['init_cfg']
    fresh = copy.deepcopy(cfg)
    fresh.model.backbone.init_cfg = None
    weights = build_model(fresh, None, 'cpu').state_dict()
    torch.save(dict(state_dict=weights), tmp_path / 'all.pth')
    found = from_pretrained(cfg, weights=str(tmp_path / 'all.pth')).state_dict()
    assert all(torch.equal(found[key], value) for key, value in weights.items())
    assert cfg.to_dict() == before
    del weights['decode_head.conv_seg.bias']
    torch.save(dict(state_dict=weights), tmp_path / 'few.pth')
    with pytest.raises(RuntimeError, match='decode_head.conv_seg.bias'):
        from_pretrained(cfg, weights=str(tmp_path / 'few.pth'))


def quadrants(height, width):
    return np.add.outer(2 * (np.arange(height) >= height // 2), np.arange(width) >= width // 2)


def test_clusters_are_of_features_not_of_places():
    parts = quadrants(12, 10)
    scattered = np.random.default_rng(0).permutation(parts.ravel()).reshape(parts.shape)
    features = np.random.default_rng(1).normal(size=(12, 10, 16))
    features[..., :4] += 20 * np.eye(4)[scattered]
    labels = token_clusters(features, num_clusters=4, num_neighbors=5)
    assert (align_clusters(labels, scattered) == scattered).all()


def test_clusters_keep_their_numbers_on_a_smaller_grid():
    small, large = quadrants(4, 6), quadrants(16, 24)
    swapped = np.array([2, 0, 3, 1])[small]
    assert (align_clusters(swapped, large) == small).all()
    assert (align_clusters(np.array([2, 0, 3, 1])[large], small) == large).all()


def test_most_tokens_decide_the_numbers_of_clusters():
    like = np.array([[0, 0, 0, 1, 1, 1, 1]])
    labels = np.array([[1, 1, 0, 1, 0, 0, 0]])  # each cluster has tokens of both
    assert (align_clusters(labels, like) == 1 - labels).all()


def test_a_token_is_no_neighbour_of_itself():
    """With one neighbour each, pairs of tokens are the parts of the graph."""
    pairs = np.array([[0, 1, 2, 3], [2, 3, 1, 0]])
    features = np.eye(4)[pairs] * 10 + np.random.default_rng(0).normal(size=(2, 4, 4))
    labels = token_clusters(features, num_clusters=4, num_neighbors=1)
    assert (align_clusters(labels, pairs) == pairs).all()


def test_clusters_of_a_layer_have_the_numbers_of_the_first_model_or_of_the_layer_before(
    monkeypatch,
):
    parts = quadrants(4, 4)
    swapped = np.array([2, 0, 3, 1])
    found = iter([parts, swapped[parts], parts])
    monkeypatch.setattr('afno_mm.analysis.clusters.token_clusters', lambda *_: next(found))
    layer = Layer('0', torch.zeros(1, 4, 4, 8), None, None)
    clusters = layer_clusters(dict.fromkeys((1, 2, 3), layer), {2: 3 - parts})
    assert list(clusters) == [1, 2, 3]
    assert (clusters[1] == parts).all()
    assert (clusters[2] == 3 - parts).all() and (clusters[3] == 3 - parts).all()


def test_too_few_tokens_for_the_neighbours_are_refused():
    with pytest.raises(ValueError, match='2x5 tokens have no 10 neighbours each'):
        token_clusters(np.zeros((2, 5, 3)), num_neighbors=10)
