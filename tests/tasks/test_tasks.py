"""Options of tools/test.py in configs of other tasks than segmentation."""

import pytest
from afno_mm.engine.testing import use_tta
from mmengine.config import Config


def config(model):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='PackInputs')]
    return Config(
        dict(
            default_scope='mmpretrain',
            model=dict(type=model),
            test_dataloader=dict(dataset=dict(pipeline=pipeline)),
        )
    )


def test_classification_has_a_default_way_of_augmented_testing():
    cfg = config('mmpretrain.ImageClassifier')
    use_tta(cfg)
    assert cfg.model.type == 'mmpretrain.AverageClsScoreTTA'
    assert cfg.test_dataloader.dataset.pipeline[1].type == 'TestTimeAug'


def test_augmented_testing_of_inpainting_is_refused():
    with pytest.raises(ValueError, match='--tta needs tta_model'):
        use_tta(config('afno_mm.InpaintingModel'))
