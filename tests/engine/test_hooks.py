"""Hooks in a Runner of four steps an epoch."""
import pytest
from one_weight import train


def log_of(work_dir, epochs, schedule_epochs, resume):
    schedule = dict(type='PolyLR', end=schedule_epochs, by_epoch=True, convert_to_iter_based=True)
    train(work_dir, epochs, schedule, dict(type='afno_mm.EndedScheduleHook'), resume)
    return max(work_dir.glob('*/*.log'), key=lambda path: path.stat().st_mtime_ns).read_text()


@pytest.mark.parametrize('schedule_epochs, warned', [(1, True), (2, False)])
def test_resuming_past_the_end_of_the_schedule_is_said(tmp_path, schedule_epochs, warned):
    message = 'The learning rate is 0 and stays 0 for the 4 iterations left'
    assert message not in log_of(tmp_path, 1, schedule_epochs, resume=False)
    assert (message in log_of(tmp_path, 2, 2, resume=True)) == warned
