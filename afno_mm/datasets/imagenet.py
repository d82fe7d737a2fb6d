"""ImageNet in folders of classes, with a check of its files before step 0."""

from mmengine import fileio
from mmpretrain.datasets import CustomDataset

from ..registry import DATASETS
from .checked import SCRIPTS, NamedFiles, first, spread

LAYOUT = """Expected are the folders of ImageNet: {root}/{{train,val}}/<class>/*.JPEG
Use one of these commands:
  export IMAGENET_DATASET=/path/to/imagenet     for *_imagenet.py and *_inpainting.py
  python {scripts}/make_images.py {root}     generates images in the same folders
If the images lie in val/ itself, as in ImageNet's download, give a list of lines
'<name> <index of the class>' (MMPretrain's meta/val.txt) as val_dataloader.dataset.ann_file
and test_dataloader.dataset.ann_file."""
LIST = """This command makes a list of a tenth of the images, as in the paper's ablations:
  python {scripts}/imagenet_subset.py {root}"""


@DATASETS.register_module()
class ImageNet(NamedFiles, CustomDataset):
    """MMPretrain's CustomDataset, which also checks its files when it lists the images.

    Without ``ann_file`` the classes are the folders below ``data_prefix``, in alphabetical
    order; their number is free. With it the images are those of its lines
    ``<class>/<name> <index of the class>``.

    Raises:
        FileNotFoundError: If the folder, the list, all images of a class or an image of the
            list is missing. The list is checked at 16 images, spread over it. The message has
            the command that helps.
        ValueError: If train/ and val/ have different folders. The index of a class is the place
            of its folder, so the two would number their classes differently.
    """

    def load_data_list(self) -> list[dict]:
        if not fileio.isdir(self.img_prefix):
            raise self._not_found(f'there is no folder {self.img_prefix}', LAYOUT)
        if self.ann_file and not fileio.isfile(self.ann_file):
            raise self._not_found(f'there is no list {self.ann_file}', LIST)
        try:
            data_list = super().load_data_list()
        except RuntimeError as error:  # MMPretrain raises it if there is no image
            raise self._not_found(str(error), LAYOUT) from None
        if self.ann_file:
            self._check_listed(data_list)
        elif self.with_label:
            self._check_classes({item['gt_label'] for item in data_list})
        return data_list

    def _check_listed(self, data_list: list[dict]) -> None:
        paths = [item['img_path'] for item in spread(data_list)]
        missing = [path for path in paths if not fileio.isfile(path)]
        if missing:
            raise self._not_found(
                f'{len(missing)} of {len(paths)} images that were checked of the list '
                f'{self.ann_file} do not exist: {missing[0]}',
                LIST,
            )

    def _check_classes(self, with_images: set[int]) -> None:
        names = set(self.folder_to_idx)
        empty = [name for name, index in self.folder_to_idx.items() if index not in with_images]
        if empty:
            raise self._not_found(
                f'{len(empty)} of {len(names)} folders in {self.img_prefix} '
                f'have no image: {first(empty)}',
                LAYOUT,
            )
        for folder in (fileio.join_path(self._root, split) for split in ('train', 'val')):
            others = fileio.isdir(folder) and set(fileio.list_dir_or_file(folder, list_file=False))
            if others and others != names:
                odd = [fileio.join_path(self.img_prefix, name) for name in names - others]
                odd += [fileio.join_path(folder, name) for name in others - names]
                raise ValueError(
                    f'{self.img_prefix} and {folder} have different folders, so they would number '
                    f'their classes differently. {len(odd)} are in one only: {first(sorted(odd))}'
                )

    @property
    def _root(self) -> str:
        return (self.data_root or '.').rstrip('/')

    def _not_found(self, found: str, advice: str) -> FileNotFoundError:
        return FileNotFoundError(f'{found}\n{advice.format(root=self._root, scripts=SCRIPTS)}')
