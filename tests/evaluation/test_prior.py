"""The most frequent class of each pixel, by hand."""
import numpy as np
import pytest

from afno_mm.evaluation.prior import most_frequent_class, score_constant_prediction


def test_counts_each_pixel_and_ignores_255():
    labels = [np.array(m, np.uint8) for m in ([[1, 255]], [[1, 2]], [[0, 255]])]
    assert most_frequent_class(labels, 3).tolist() == [[1, 2]]


def test_labels_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match='one size'):
        most_frequent_class([np.zeros((2, 3), int), np.zeros((3, 2), int)], 3)


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
