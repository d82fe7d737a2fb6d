"""PSNR and SSIM against scikit-image, and against numbers computed by hand."""

import numpy as np
import pytest
import torch
from afno_mm.evaluation import PSNR, SSIM
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def image_pair(shape, noise, seed=0):
    rng = np.random.default_rng(seed)
    truth = (
        rng.integers(0, 256, (3, 4, 5))
        .repeat(-(-shape[0] // 4), 1)
        .repeat(-(-shape[1] // 5), 2)[:, : shape[0], : shape[1]]
    )
    predicted = np.clip(truth + rng.normal(0, noise, truth.shape), 0, 255)
    return predicted.astype(np.uint8), truth.astype(np.uint8)


def sample(predicted, truth, mask=None):
    tensors = dict(pred_image=predicted, gt_image=truth)
    if mask is not None:
        tensors['mask'] = mask
    return {key: torch.as_tensor(value) for key, value in tensors.items()}


def evaluate(metric, *samples):
    metric.process({}, samples)
    return metric.evaluate(len(samples))


PAIRS = [image_pair((32, 32), 3), image_pair((41, 11), 20, 1), image_pair((16, 50), 90, 2)]


def test_scores_are_the_means_of_scikit_image_s():
    """The images differ in size: the mean over images is not the mean over pixels."""
    samples = [sample(*pair) for pair in PAIRS]
    psnr = [peak_signal_noise_ratio(t, p, data_range=255) for p, t in PAIRS]
    ssim = [
        structural_similarity(
            t,
            p,
            data_range=255,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for p, t in PAIRS
    ]
    assert evaluate(PSNR(), *samples)['PSNR'] == pytest.approx(np.mean(psnr), abs=1e-4)
    assert evaluate(SSIM(), *samples)['SSIM'] == pytest.approx(np.mean(ssim), abs=1e-4)


def test_psnr_by_hand():
    truth = np.zeros((3, 16, 16), np.uint8)
    assert evaluate(PSNR(), sample(truth + 51, truth))['PSNR'] == pytest.approx(
        20 * np.log10(5), abs=1e-4
    )


def test_an_exact_image_has_a_finite_psnr():
    truth = PAIRS[0][1]
    assert evaluate(PSNR(), sample(truth, truth))['PSNR'] == pytest.approx(
        10 * np.log10(255**2 * 12), abs=0.01
    )
    assert evaluate(SSIM(), sample(truth, truth))['SSIM'] == pytest.approx(1)


def test_composite_scores_what_was_filled_in():
    """A quarter masked, off by 51 there and by 100 elsewhere."""
    truth = np.full((3, 16, 16), 60, np.uint8)
    mask = np.zeros((16, 16), bool)
    mask[:8, :8] = True
    predicted = np.where(mask, truth + 51, truth + 100).astype(np.uint8)
    scores = evaluate(PSNR(composite=True), sample(predicted, truth, mask))
    assert scores['PSNR_composite'] == pytest.approx(20 * np.log10(5 / 0.5), abs=1e-4)
    kept = np.where(mask, predicted, truth)
    assert evaluate(SSIM(composite=True), sample(predicted, truth, mask))[
        'SSIM_composite'
    ] == pytest.approx(evaluate(SSIM(), sample(kept, truth))['SSIM'])
