"""Batch statistics over two gloo processes against one process with the whole batch."""

import os

import pytest
import torch
from afno_mm.engine import CPUDistributedDataParallel
from torch import distributed, nn
from torch.multiprocessing import spawn

BATCH = torch.Generator().manual_seed(0)
IMAGES = torch.randn(4, 3, 6, 5, generator=BATCH) * 3 + 2


def model(norm=nn.SyncBatchNorm):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3),
        norm(4),
        nn.Conv2d(4, 4, 1),
        norm(4, affine=False, momentum=None),
        nn.ReLU(),
        nn.Conv2d(4, 4, 1),
        norm(4, track_running_stats=False),
        nn.ReLU(),
        nn.Conv2d(4, 2, 1),
    )


def loss_of(model, images):
    return model(images).square().mean()


def one_process(rank, folder):
    distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2
    )
    wrapped = CPUDistributedDataParallel(model())
    loss = loss_of(wrapped, IMAGES[2 * rank : 2 * rank + 2])
    loss.backward()
    wrapped.eval()
    torch.save(
        dict(
            loss=loss.detach(),
            grads={k: p.grad for k, p in wrapped.module.named_parameters()},
            state=wrapped.module.state_dict(),
            eval=wrapped.module(IMAGES).detach(),
        ),
        os.path.join(folder, f'{rank}.pt'),
    )
    # With torch 2.6, freeing the group can wait for a thread that waits for this one.
    os._exit(0)


@pytest.mark.slow
def test_two_processes_equal_one_with_the_whole_batch(tmp_path):
    whole = model(nn.BatchNorm2d)  # what MMEngine makes of SyncBN in one process
    loss = loss_of(whole, IMAGES)
    loss.backward()
    whole.eval()
    spawn(one_process, (str(tmp_path),), nprocs=2)
    parts = [torch.load(tmp_path / f'{rank}.pt') for rank in range(2)]
    torch.testing.assert_close((parts[0]['loss'] + parts[1]['loss']) / 2, loss.detach())
    for part in parts:
        for name, parameter in whole.named_parameters():
            torch.testing.assert_close(part['grads'][name], parameter.grad)
        for name, value in whole.state_dict().items():
            torch.testing.assert_close(part['state'][name], value)
        torch.testing.assert_close(part['eval'], whole(IMAGES).detach())
