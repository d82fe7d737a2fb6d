"""The most frequent class of each pixel, by hand."""
import numpy as np
import pytest

from afno_mm.evaluation.prior import most_frequent_class


def test_counts_each_pixel_and_ignores_255():
    labels = [np.array(m, np.uint8) for m in ([[1, 255]], [[1, 2]], [[0, 255]])]
    assert most_frequent_class(labels, 3).tolist() == [[1, 2]]


def test_labels_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match='one size'):
        most_frequent_class([np.zeros((2, 3), int), np.zeros((3, 2), int)], 3)
