"""The fields, predictions and pictures that the explanation and the demo page share."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from afno_mm.backbones import MiT
from mmseg.models.backbones import ResNet
from PIL import Image
from tiny_models import files, picture
from torch import nn

from look_inside.draw import draw_field, draw_spectrum, heat, ring  # isort: skip  by tiny_models
from look_inside.fields import Field, mixer_fields, receptive_fields, stage_blocks  # isort: skip
from look_inside.inputs import prepare, read_for, read_picture  # isort: skip
from look_inside.models import Source, changed_settings, find_models  # isort: skip
from look_inside.predict import overlay, peak_bytes, predict, window_boxes  # isort: skip


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('models')


@pytest.fixture(scope='module')
def load(folder):
    loaded = {}

    def load(name):
        if name not in loaded:
            loaded[name] = Source(name, *files(folder, name)).load()
        return loaded[name]

    return load


class Shift(nn.Module):
    """A mixer that reads the token three to the right and one below, and that alone."""

    def forward(self, x):
        return 2 * x.roll((-1, -3), (1, 2))


def test_the_field_of_a_mixer_is_the_tokens_that_it_reads(load):
    model = load('afno')
    block = stage_blocks(model.backbone)['stage 1']
    images = prepare(model, picture()).images
    before, block.attn = block.attn, Shift()
    try:
        found = mixer_fields(model.backbone, images, (21, 41))[0]
    finally:
        block.attn = before
    assert (found.name, found.mixer, found.at) == ('stage 1', 'Shift', (5, 10))
    assert np.argwhere(found.strength > 0).tolist() == [[6, 13]] and found.own == 0
    # 16 channels, each of which 2 * (+-1) passes: the length of the gradient is 2 * 4.
    assert found.strength[6, 13] == pytest.approx(8)


@pytest.mark.parametrize('name,reaches', [('afno', True), ('esa', True), ('stock_swin', False)])
def test_afno_and_esa_reach_every_token_and_windows_do_not(name, reaches, load):
    model = load(name)
    fields = mixer_fields(model.backbone, prepare(model, picture()).images, (3, 3))
    first = fields[0]
    others = np.delete(first.strength.ravel(), first.at[0] * first.strength.shape[1] + first.at[1])
    assert (others > 0).all() == reaches
    if not reaches:
        assert first.mixer == 'shifted windows' and (others > 0).sum() == 3  # windows of 2 x 2
    if name == 'esa':  # blocks of 8 x 8 tokens have nearly one value, others differ
        block = first.strength[8:16, 16:24]
        assert block.std() < 0.8 * first.strength.std()


def test_stock_attention_has_the_field_of_our_mixer(load):
    ours, stock = load('esa'), load('stock')
    stock.load_state_dict(ours.state_dict())
    images = prepare(ours, picture()).images
    for find in (mixer_fields, receptive_fields):
        for one, other in zip(*(find(m.backbone, images, (9, 50)) for m in (ours, stock))):
            assert (one.name, one.mixer) == (other.name, other.mixer)
            np.testing.assert_allclose(one.strength, other.strength, rtol=2e-3, atol=1e-5)


def test_a_receptive_field_is_the_gradient_of_the_features():
    torch.manual_seed(0)
    mixer = [dict(type='AFNO', num_blocks=2, init='scaled'), *[dict(type='Identity')] * 3]
    backbone = MiT(embed_dims=8, num_layers=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), mixer=mixer)
    images = torch.randn(1, 3, 32, 48)
    exact = torch.zeros(32, 48)
    tokens = []
    hook = stage_blocks(backbone.eval())['stage 1'].register_forward_hook(
        lambda block, args, output: tokens.append(output)
    )
    backbone(images.requires_grad_())
    hook.remove()
    for channel in tokens[0].unflatten(1, (8, 12))[0, 2, 5]:
        exact += torch.autograd.grad(channel, images, retain_graph=True)[0][0].square().sum(0)
    (found, *_) = receptive_fields(backbone, images, (9, 23), probes=200, cell=1)
    np.testing.assert_allclose(found.strength, exact.sqrt(), rtol=0.35, atol=0.02)
    assert np.corrcoef(found.strength.ravel(), exact.sqrt().ravel())[0, 1] > 0.99


def test_convolutions_have_a_small_receptive_field_around_the_pixel():
    torch.manual_seed(0)
    backbone = ResNet(18, base_channels=8)
    backbone.eval()
    fields = receptive_fields(backbone, torch.randn(1, 3, 128, 128), (70, 40), cell=1)
    assert [field.mixer for field in fields] == ['convolutions'] * 4
    rows, columns = np.nonzero(fields[0].strength)
    assert 0 < rows.max() - rows.min() < 50 and rows.min() < 70 < rows.max()
    assert columns.min() < 40 < columns.max()
    assert mixer_fields(backbone, torch.randn(1, 3, 64, 64), (0, 0)) == []


def test_areas_of_even_and_of_pointed_fields():
    point = np.zeros((10, 10))
    point[3, 4] = 1
    assert Field('', '', np.ones((10, 10)), (0, 0)).area(0.9) == pytest.approx(0.9, abs=0.02)
    assert Field('', '', point, (0, 0)).area(0.9) == 0.01
    assert Field('', '', np.zeros((10, 10)), (0, 0)).area() == 0


def test_a_field_does_not_depend_on_gradients_that_are_off(load):
    model = load('afno')
    images = prepare(model, picture()).images
    with torch.no_grad():
        fields = receptive_fields(model.backbone, images, (9, 50))
    assert all(field.strength.any() for field in fields)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_pictures_are_prepared_as_the_pipeline_does(load, tmp_path):
    prepared = prepare(load('afno'), picture())
    assert prepared.images.shape == (1, 3, 64, 96) and prepared.picture.shape == (64, 96, 3)
    shown = picture().astype(float).mean((0, 1))
    np.testing.assert_allclose(prepared.picture.mean((0, 1)), shown, atol=2)
    red = np.zeros((64, 96, 3), np.uint8)
    red[..., 0] = 200
    prepared = prepare(load('afno'), red)
    assert (prepared.picture == red).all()
    assert prepared.images[0, 0, 0, 0].item() == pytest.approx((200 - 120) / 60)
    assert prepare(load('afno'), picture(), resize=False).images.shape == (1, 3, 80, 120)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'I;16', 'P', 'CMYK', '1'])
def test_pictures_of_any_mode_are_read_as_rgb(mode, tmp_path):
    path = tmp_path / ('x.tif' if mode == 'CMYK' else 'x.png')
    if mode == 'I;16':
        Image.fromarray(picture()[..., 0].astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(picture()).convert(mode).save(path)
    read = read_picture(path)
    assert read.shape == (80, 120, 3) and read.dtype == np.uint8 and 60 < read.mean() < 200


def test_windows_cover_the_image_as_mmsegmentation_lays_them(load):
    model = load('slide')
    prepared = prepare(model, picture())
    seen = []
    prediction = predict(model, prepared, lambda share, text: seen.append((share, text)))
    with torch.no_grad():
        meta = [dict(ori_shape=(64, 96), img_shape=(64, 96))]
        wanted = model.slide_inference(prepared.images, meta).argmax(1)[0]
    assert (prediction.labels == wanted.numpy()).all()
    assert prediction.windows == 9 and seen[8] == (8 / 9, 'window 9 of 9')
    boxes = window_boxes((5, 7), (4, 4), (3, 3))
    assert [(r.start, r.stop, c.start, c.stop) for r, c in boxes] == [
        (0, 4, 0, 4), (0, 4, 3, 7), (1, 5, 0, 4), (1, 5, 3, 7)
    ]  # fmt: skip


def test_shares_and_colours_are_those_of_the_labels(load):
    model = load('afno')
    prepared = prepare(model, picture())
    prediction = predict(model, prepared)
    assert sum(row.share for row in prediction.rows) == pytest.approx(1)
    first = prediction.rows[0]
    k = model.dataset_meta['classes'].index(first.name)
    assert first.share == (prediction.labels == k).mean() == max(r.share for r in prediction.rows)
    prediction.labels[:] = 2
    drawn = overlay(np.zeros((10, 10, 3), np.uint8), prediction, 0.5)
    assert (drawn == [0, 128, 0]).all() and prediction.seconds > 0


def test_memory_is_that_of_the_tensors_alive_at_one_time():
    x = torch.zeros(1000, 250)  # 1 MB, not counted

    def chain():
        y = x + 1
        for _ in range(5):
            y = y + 1  # two at one time
        return y.t()

    assert peak_bytes(chain, torch.device('cpu')) == pytest.approx(2e6, rel=0.01)


def test_settings_change_the_mixers_and_go_back(load):
    model = load('afno')
    prepared = prepare(model, picture())
    with torch.no_grad():
        before = model(prepared.images)
        with changed_settings(model, dict(sparsity_threshold=9.0, mode_fraction=0.3)) as number:
            changed = model(prepared.images)
        after = model(prepared.images)
    assert number == 5 and not torch.allclose(before, changed)
    assert torch.equal(before, after)
    for bad in (dict(mode_fraction=0.0), dict(sparsity_threshold=-1.0)):
        with pytest.raises(ValueError, match=next(iter(bad))), changed_settings(model, bad):
            pass


def test_models_are_found_in_work_dirs_and_below(folder, tmp_path):
    for name in ('afno', 'esa'):
        files(folder, name)
    names = [source.name for source in find_models([str(folder)])]
    assert {'afno', 'esa'} <= set(names)
    (alone,) = find_models([str(folder / 'afno')])
    assert alone.load().dataset_meta['classes'][1] == 'sea & salt'
    (pair,) = find_models(files(folder, 'esa'))
    assert pair.checkpoint.endswith('esa/epoch_1.pth')
    with pytest.raises(FileNotFoundError, match='has no checkpoints'):
        find_models([str(tmp_path)])
    with pytest.raises(FileNotFoundError, match='there is no work dir and no file nowhere'):
        find_models(['nowhere'])
    with pytest.raises(ValueError, match='needs its checkpoint after it'):
        find_models([files(folder, 'esa')[0]])


def test_drawings_are_bright_where_values_are_large():
    values = np.zeros((4, 6))
    values[1, 2] = 1
    drawn = draw_field(Field('', '', values, (3, 5)), width=120)
    assert drawn.shape == (80, 120, 3) and drawn[30, 50].sum() > 600 and drawn[10, 10].sum() < 30
    white = draw_spectrum(np.array([[0.0, 1.0], [10.0, 100.0]]), 0, 2, 2)
    assert (white[0, 0] == 255).all() and (white[0, 1] != 255).any()
    assert heat(np.ones((2, 2)), 0, 1)[0, 0].sum() > heat(np.zeros((2, 2)), 0, 1)[0, 0].sum()
    marked = ring(np.full((60, 60, 3), 128, np.uint8), (0, 1), (2, 2))
    rows, columns = np.nonzero((marked != 128).any(-1))
    assert abs(rows.mean() - 15) < 1 and abs(columns.mean() - 45) < 1


def test_a_deep_image_is_read_as_the_test_pipeline_reads_it(tmp_path):
    values = np.array([[0, 1000], [4095, 500]], np.uint16)
    Image.fromarray(values).save(tmp_path / 'deep.png')
    step = dict(type='afno_mm.LoadDeepImage', max_value=4095)
    model = SimpleNamespace(cfg=dict(test_dataloader=dict(dataset=dict(pipeline=[step]))))
    read = read_for(model, tmp_path / 'deep.png')
    assert read[..., 0].tolist() == [[0, 62], [255, 31]]
    model.cfg = {}
    assert read_for(model, tmp_path / 'deep.png').max() == 255
