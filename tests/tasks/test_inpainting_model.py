"""The inpainting model: its masked input, its loss and its output."""

import numpy as np
import pytest
import torch
from afno_mm.registry import MODELS
from afno_mm.tasks.inpainting_model import InpaintingHead
from mmpretrain.datasets.transforms import PackInputs
from mmpretrain.structures import DataSample

MEAN, STD = [120.0, 110.0, 100.0], [58.0, 57.0, 56.0]
BACKBONE = dict(
    type='mmpretrain.VisionTransformer',
    img_size=16,
    patch_size=4,
    with_cls_token=False,
    out_type='featmap',
    arch=dict(embed_dims=32, num_layers=1, num_heads=2, feedforward_channels=32),
)


def build(loss_on='image', **backbone):
    return MODELS.build(
        dict(
            type='afno_mm.InpaintingModel',
            backbone=dict(BACKBONE, **backbone),
            data_preprocessor=dict(mean=MEAN, std=STD, to_rgb=True),
            head=dict(type='afno_mm.InpaintingHead', in_channels=32, loss_on=loss_on),
        )
    )


def batch(size=(16, 16), number=2, seed=0):
    """Return a batch as the pipeline packs it: BGR images, half of each masked."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (number, *size, 3), dtype=np.uint8)
    mask = np.zeros(size, bool)
    mask[: size[0] // 2] = True
    packed = [PackInputs()(dict(img=image, mask=mask)) for image in images]
    return dict(
        inputs=torch.stack([p['inputs'] for p in packed]),
        data_samples=[p['data_samples'] for p in packed],
    )


def prepared(model, **kwargs):
    return model.data_preprocessor(batch(**kwargs))


def test_masked_pixels_have_intensity_zero_before_normalisation():
    model, raw = build(), batch()
    masked, images = model.data_preprocessor(raw)['inputs']
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    rgb = raw['inputs'].flip(1)
    torch.testing.assert_close(images * std + mean, rgb.float(), rtol=0, atol=1e-3)
    rgb[:, :, :8] = 0
    torch.testing.assert_close(masked * std + mean, rgb.float(), rtol=0, atol=1e-3)


def test_samples_without_a_mask_are_refused_with_the_transform_to_add():
    with pytest.raises(ValueError, match='afno_mm.RandomWalkMask'):
        build().data_preprocessor(
            dict(inputs=torch.zeros(1, 3, 16, 16, dtype=torch.uint8), data_samples=[DataSample()])
        )


def test_head_puts_each_token_s_projection_on_its_patch():
    head = InpaintingHead(5, patch_size=4)
    tokens = torch.randn(2, 5, 3, 2)
    image = head(tokens)
    weight, bias = head.projection.weight[:, :, 0, 0], head.projection.bias
    pixels = (weight @ tokens[1, :, 2, 1] + bias).view(3, 4, 4)
    torch.testing.assert_close(image[1, :, 8:12, 4:8], pixels)
    assert image.shape == (2, 3, 12, 8)
    assert sum(p.numel() for p in head.parameters()) == 5 * 48 + 48


@pytest.mark.parametrize('loss_on', ['image', 'masked'])
def test_loss_is_the_mean_squared_error_of_its_pixels(loss_on):
    head = InpaintingHead(5, loss_on=loss_on)
    predicted, images = torch.randn(2, 2, 3, 7, 6).double()
    mask = torch.rand(2, 7, 6) < 0.3
    loss = head.loss(predicted, images.float(), mask).item()
    wanted = [
        (predicted[b, c, i, j].float() - images[b, c, i, j].float()).item() ** 2
        for b in range(2)
        for c in range(3)
        for i in range(7)
        for j in range(6)
        if loss_on == 'image' or mask[b, i, j]
    ]
    assert loss == pytest.approx(np.mean(wanted), rel=1e-5)


def test_loss_of_a_batch_with_nothing_masked_is_zero_not_nan():
    head = InpaintingHead(5, loss_on='masked')
    assert (
        head.loss(
            torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4), torch.zeros(1, 4, 4, dtype=torch.bool)
        )
        == 0
    )


def test_masked_intensities_do_not_reach_the_prediction():
    model = build().eval()
    one, other = batch(), batch()
    other['inputs'][:, :, :8] = 255 - other['inputs'][:, :, :8]
    first, second = (
        torch.stack([s.pred_image for s in model.test_step(data)]) for data in (one, other)
    )
    assert torch.equal(first, second)
    other['inputs'][:, :, 8:] = 255 - other['inputs'][:, :, 8:]
    third = torch.stack([s.pred_image for s in model.test_step(other)])
    assert (third != first).any()


@pytest.mark.parametrize('size', [(16, 16), (8, 24), (18, 13)])
def test_prediction_is_an_8_bit_rgb_image_beside_the_truth(size):
    data = batch(size)
    rgb = data['inputs'].flip(1)
    samples = build().eval().test_step(data)
    for sample, truth in zip(samples, rgb):
        assert torch.equal(sample.gt_image, truth)
        assert sample.pred_image.shape == (3, *size) and sample.pred_image.dtype == torch.uint8


@pytest.mark.parametrize(
    'output, intensities', [(0, MEAN), (-0.51, [90, 81, 71]), (9, [255] * 3), (-9, [0] * 3)]
)
def test_what_is_predicted_is_the_denormalised_output(output, intensities):
    model = build().eval()
    torch.nn.init.zeros_(model.head.projection.weight)
    torch.nn.init.constant_(model.head.projection.bias, output)
    sample = model.test_step(batch())[0]
    assert sample.pred_image.flatten(1).unique(dim=1).squeeze().tolist() == intensities


def test_loss_depends_on_the_pixels_that_loss_on_names():
    for loss_on, changed in (('image', True), ('masked', False)):
        model = build(loss_on)
        one, other = (prepared(model) for _ in range(2))
        other['inputs'][1][:, :, 8:] += 1  # shown pixels of the truth
        losses = [model.loss(**data)['loss'].item() for data in (one, other)]
        assert (losses[0] != losses[1]) == changed


def test_a_few_steps_reduce_the_loss_and_reach_every_parameter():
    model, data = build(), batch(number=4)
    model.init_weights()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(30):
        loss = model(**model.data_preprocessor(data, True), mode='loss')['loss']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert all(p.grad is not None for p in model.parameters())
    assert losses[-1] < 0.75 * losses[0]


def test_features_are_those_of_the_backbone():
    model = build().eval()
    masked, images = prepared(model)['inputs']
    assert torch.equal(model(images)[0], model.backbone(images)[0])
    assert torch.equal(model([masked, images])[0], model.backbone(masked)[0])


def test_a_backbone_without_a_feature_map_is_refused():
    with pytest.raises(ValueError, match="out_type='featmap'"):
        build(out_type='avg_featmap').test_step(batch())


def test_unknown_loss_on_is_refused():
    with pytest.raises(ValueError, match="'image', 'masked'.*'visible'"):
        InpaintingHead(5, loss_on='visible')
