"""Images as sequences of patches, and back.

Images are B × C × H × W. A patch has p × p pixels and becomes one row of C · p · p numbers.
"""

from torch import Tensor


def patchify(X: Tensor, patch_size: int) -> Tensor:
    """Cut every image into square patches and write each patch as a row.

    The patches of an image come row by row, from left to right. Within a patch the order is
    channel, row, column: that of the entries of one kernel of nn.Conv2d.

    Book: unit 3, page `patches`.

    Args:
        X: images, B × C × H × W; not modified.
        patch_size: number p of rows and of columns of a patch.

    Returns:
        B × N × (C · p · p) with N = (H / p) · (W / p).

    Raises:
        ValueError: p does not divide H or does not divide W; the message names p and the number
            that it does not divide.
    """
    n_images, channels, height, width = X.shape
    for size in (height, width):
        if size % patch_size:
            raise ValueError(f"a patch size of {patch_size} does not divide {size} pixels")
    rows, columns = height // patch_size, width // patch_size
    grid = X.reshape(n_images, channels, rows, patch_size, columns, patch_size)
    return grid.permute(0, 2, 4, 1, 3, 5).reshape(n_images, rows * columns, -1)


def unpatchify(patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]) -> Tensor:
    """Put images together again from their patches: the inverse of patchify.

    Book: unit 3, page `patches`.

    Args:
        patches: B × N × (C · p · p), in the order of patchify; not modified.
        patch_size: number p of rows and of columns of a patch.
        image_shape: channels C, height H and width W of the images.

    Returns:
        Images, B × C × H × W.

    Raises:
        ValueError: images of this shape do not have such patches.
    """
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    fits = (rows * patch_size, columns * patch_size) == (height, width)
    if not fits or patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError(
            f"patches of shape {tuple(patches.shape)} with a size of {patch_size} are not those of "
            f"images of shape {image_shape}"
        )
    grid = patches.reshape(-1, rows, columns, channels, patch_size, patch_size)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height, width)
