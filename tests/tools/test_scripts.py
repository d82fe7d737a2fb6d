"""The shell scripts that launch train.py and test.py."""

import pytest
from running import REPOSITORY, call

CONFIG = 'configs/segformer_afno_b0_scenes.py'


@pytest.mark.parametrize('name,arguments', [('train', [CONFIG]), ('test', [CONFIG, 'epoch_1.pth'])])
def test_slurm_gets_the_job_and_the_arguments(name, arguments, tmp_path):
    srun = tmp_path / 'srun'
    srun.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    srun.chmod(0o755)
    output = call(
        'bash',
        '-c',
        f'PATH={tmp_path}:$PATH "$@"',
        '-',
        'bash',
        REPOSITORY / f'tools/slurm_{name}.sh',
        'gpu',
        'afno',
        *arguments,
        '--amp',
        GPUS='16',
        SRUN_ARGS='--exclude=n1 --qos=high',
    ).splitlines()
    assert {'--job-name=afno', '--ntasks=16', '--gres=gpu:8', '--exclude=n1', '--qos=high'} < set(
        output
    )
    command = output[output.index('-u') + 1 :]
    assert command == [
        str(REPOSITORY / f'tools/{name}.py'),
        *map(str, arguments),
        '--launcher',
        'slurm',
        '--amp',
    ]


@pytest.mark.parametrize(
    'script', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh', 'slurm_test.sh']
)
def test_scripts_called_wrongly_say_how(script):
    assert f'tools/{script} ' in call('bash', REPOSITORY / 'tools' / script, succeeds=False)
