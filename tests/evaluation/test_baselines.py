"""Predictors that need no training, against values computed by hand."""

import numpy as np
import pytest
import torch
from afno_mm.evaluation.baselines import (
    mean_colour,
    most_frequent_class,
    score_constant_prediction,
    score_fillings,
)
from mmpretrain.structures import DataSample


def test_counts_each_pixel_and_ignores_255():
    labels = [np.array(m, np.uint8) for m in ([[1, 255]], [[1, 2]], [[0, 255]])]
    assert most_frequent_class(labels, 3).tolist() == [[1, 2]]


def test_labels_of_several_sizes_give_the_most_frequent_class_of_all_pixels():
    labels = [np.array(m) for m in ([[0, 1], [1, 255]], [[2, 2, 2]], [[1, 0], [2, 2]])]
    assert most_frequent_class(labels, 3).tolist() == [[2]]
    with pytest.raises(ValueError, match='no labels'):
        most_frequent_class([], 3)


class Labels(list):
    metainfo = dict(classes=('a', 'b', 'c'))


def test_score_by_hand():
    """Class c occurs neither in truth nor in prediction and does not count."""
    labels = Labels(dict(gt_seg_map=np.array(m)) for m in ([[0, 0, 1]], [[1, 1, 255]]))
    scores = score_constant_prediction(np.array([[0, 0, 1]]), labels)
    # Hits: a 2 (pixels 0, 1 of the first), b 1 (pixel 2 of the first).
    # Unions: a 2 + 2 predicted in the second = 4; b 1 + 2 missed in the second = 3.
    assert scores['aAcc'] == pytest.approx(60)
    assert scores['mIoU'] == pytest.approx(100 * (2 / 4 + 1 / 3) / 2, abs=0.01)


def test_an_image_of_another_size_is_scored_with_the_class_of_most_pixels():
    labels = Labels(dict(gt_seg_map=np.array(m)) for m in ([[0, 0, 1]], [[1], [0]]))
    scores = score_constant_prediction(np.array([[0, 0, 1]]), labels)
    assert scores['aAcc'] == pytest.approx(80)


def test_mean_colour_counts_every_pixel_alike():
    images = [torch.full((2, 1, 1), 7), torch.tensor([[[1, 2, 3]], [[0, 0, 0]]])]
    assert mean_colour(i.to(torch.uint8) for i in images).flatten().tolist() == [(7 + 6) / 4, 7 / 4]


def test_fillings_by_hand():
    """A quarter is masked: 100 there, 40 elsewhere. Mean colour of the training images: 60."""
    image = torch.full((3, 16, 16), 40, dtype=torch.uint8)
    image[:, :8, :8] = 100
    sample = DataSample().set_mask(image[0] == 100)
    scores = score_fillings(
        torch.full((3, 1, 1), 60.0),
        [dict(inputs=image, data_samples=sample)],
        [dict(type='afno_mm.PSNR'), dict(type='afno_mm.PSNR', composite=True)],
    )

    def psnr(squared_error):
        return 10 * np.log10(255**2 / squared_error)

    everywhere, as_it_is, filled = (s['PSNR'] for s in scores.values())
    assert everywhere == pytest.approx(psnr((40**2 + 3 * 20**2) / 4), abs=1e-3)
    assert as_it_is == pytest.approx(psnr(100**2 / 4), abs=1e-3)
    assert filled == pytest.approx(psnr(60**2 / 4), abs=1e-3)
    composite = [s['PSNR_composite'] for s in scores.values()]
    assert composite == pytest.approx([psnr(40**2 / 4), as_it_is, filled], abs=1e-3)
