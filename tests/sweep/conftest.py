import pytest
from running import REPOSITORY
from tiny_sweep import CONFIG, MODULE, SWEEP


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write the sweep, its configs and the model.

    The first stage's metric falls, so its first epoch is the best.
    """
    folder = tmp_path_factory.mktemp('sweep')
    (folder / 'climber.py').write_text(MODULE)
    (folder / 'climb.py').write_text(CONFIG.format(metric='PSNR', sign=-1, init_cfg=''))
    (folder / 'climb_on.py').write_text(
        CONFIG.format(metric='mIoU', sign=1, init_cfg=", init_cfg=dict(prefix='backbone.')")
    )
    (folder / 'gains.py').write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('OMP_NUM_THREADS', '1')
        patch.setenv('DATA_ROOT', 'somewhere')  # MMEngine logs it
        patch.setenv('PYTHONPATH', f'{folder}:{REPOSITORY}')
        patch.syspath_prepend(folder)
        yield folder
