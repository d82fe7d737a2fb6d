"""Settings that nothing reads, and data files that cannot be trained on."""

import os

import test_audit
import test_settings
from harness import Try, call, drill, last_line, steps, train
from PIL import Image

KEYS = [
    *((test_settings.test_misspelled_key_is_refused_with_the_right_one, *row)
      for row in test_settings.MISSPELLED),
    *((test_settings.test_misspelled_type_is_refused_with_the_right_one, *row)
      for row in test_settings.MISSPELLED_TYPES),
]  # fmt: skip


def _passes(this, test):
    code, text = call(test, this.folder / 'out.txt')
    assert code == 0, last_line(text)


@drill('misspelled settings: refused, the right key is named', len(KEYS), 5, stock=False)
def misspelled(this: Try):
    test, *row = KEYS[(this.number * 10 + this.number // 5) % len(KEYS)]
    _passes(this, lambda: test(*row))


OPTIONS = [
    'model.widht',
    'train_dataloder.batch_size',
    'optim_wrapper.optimiser.lr',
    'optim_wrapper.clip_grad.max_nrom',
    'param_scheduler.first.end',
    'default_hooks.checkpoint.max_keep_ckpt',
    'train_cfg.max_epoch',
    'randomnes.seed',
    'loadfrom',
    'activation_checkpoint',
]


@drill('--cfg-options that lead nowhere: refused before the first step', len(OPTIONS))
def options(this: Try):
    option = OPTIONS[this.number % len(OPTIONS)]
    folder = this.folder / 'work_dir'
    code, text = call(lambda: train(folder, f'{option}=1'), this.folder / 'out.txt')
    assert code == 1 and option.split('.')[-1] in last_line(text) + text, f'{option}: {code}'
    assert not steps(folder), f'{option}: trained'


CUSTOM_KEYS = ('decode_haed', 'decode_head'), ('backbon.0', 'backbone.0'), ('.biass', 'bias')


@drill('custom_keys that match no parameter, wrong class counts: refused', 5, stock=False)
def model_settings(this: Try):
    if this.number < 3:
        test = test_settings.test_custom_keys_that_match_no_parameter_are_refused
        arguments = CUSTOM_KEYS[this.number]
    else:
        test = test_settings.test_class_counts_that_disagree_are_refused_with_both_numbers
        arguments = ((1, 19)[this.number % 2],)
    _passes(this, lambda: test(*arguments))


IMAGE, LABEL = test_audit.IMAGE, test_audit.LABEL
RGB = test_audit.encode(Image.new('RGB', (16, 8)))
# The kind of file, and what it is replaced by: bytes, a link, or nothing.
BAD_FILES = [
    ('images', b''),
    ('labels', b''),
    ('images', IMAGE[:-4]),
    ('images', IMAGE[:40] + bytes(len(IMAGE) - 40)),
    ('labels', LABEL[:40] + bytes(len(LABEL) - 40)),
    ('images', b'<html>404</html>'),
    ('images', 'link'),
    ('labels', 'link'),
    ('labels', None),
    ('labels', test_audit.encode(test_audit.grey(0, 1, size=(8, 4)))),
    ('labels', RGB),
    ('labels', test_audit.encode(test_audit.grey(16, 0, 200))),
]


def _bad_file(this):
    """Make 100 samples, one of them bad. Return the root and the bad file."""
    os.environ['XDG_CACHE_HOME'] = str(this.folder / 'cache')
    root = test_audit.make(this.folder / 'data', 100)
    kind, data = BAD_FILES[this.number % len(BAD_FILES)]
    index = this.random.randrange(100)
    path = test_audit.file(root, kind, index)
    if isinstance(data, bytes):
        test_audit.put(root, kind, index, data)
    else:
        path.unlink()
    if data == 'link':
        path.symlink_to('/nowhere/at_all.png')
    return root, path


@drill('1 of 100 image or label files is bad: named before the first step', 12, 2, stock=False)
def bad_file(this: Try):
    def run():
        root, path = _bad_file(this)
        assert path.name in test_audit.refusal(root)

    _passes(this, run)


@drill("the same, on_bad_file='skip': the other 99 are used", 12, 2, stock=False)
def skipped_file(this: Try):
    def run():
        root, path = _bad_file(this)
        data = test_audit.build(root, on_bad_file='skip', max_bad_share=0.02)
        assert [path.name in data[i]['img_path'] for i in range(len(data))] == [False] * 99

    _passes(this, run)


@drill('2 of 200 labels are labelIds: named before the first step', 1, stock=False)
def label_ids(this: Try):
    def run():
        os.environ['XDG_CACHE_HOME'] = str(this.folder / 'cache')
        (this.folder / 'data').mkdir()
        test_audit.test_two_wrong_labels_of_200_are_named(this.folder / 'data')

    _passes(this, run)
