"""Answers to the tasks of `solutions.patches`."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# patchify


@right("patchify")
def by_unfold(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size or X.shape[3] % patch_size:
        raise ValueError(f"{patch_size} does not divide {X.shape[2]} and {X.shape[3]}")
    return functional.unfold(X, patch_size, stride=patch_size).mT


@right("patchify")
def by_loops(X: Tensor, patch_size: int) -> Tensor:
    p, (height, width) = patch_size, X.shape[2:]
    if height % p != 0:
        raise ValueError(f"height {height}, patch {p}")
    if width % p != 0:
        raise ValueError(f"width {width}, patch {p}")
    rows = []
    for i in range(0, height, p):
        for j in range(0, width, p):
            rows.append(X[:, :, i : i + p, j : j + p].flatten(1))
    return torch.stack(rows, dim=1)


@right("patchify")
def by_tensor_unfold(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if max(height % patch_size, width % patch_size) > 0:
        raise ValueError(f"images of {height} x {width} and patches of {patch_size}")
    cut = X.unfold(2, patch_size, patch_size).unfold(3, patch_size, patch_size)
    return cut.permute(0, 2, 3, 1, 4, 5).contiguous().view(n, -1, channels * patch_size**2)


@wrong("patchify", hint="row by row, from left to right")
def patches_column_by_column(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    rows, columns = height // patch_size, width // patch_size
    grid = X.reshape(n, channels, rows, patch_size, columns, patch_size)
    return grid.permute(0, 4, 2, 1, 3, 5).reshape(n, rows * columns, -1)


@wrong("patchify", hint="channel comes first")
def channels_last_in_a_patch(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    rows, columns = height // patch_size, width // patch_size
    grid = X.reshape(n, channels, rows, patch_size, columns, patch_size)
    return grid.permute(0, 2, 4, 3, 5, 1).reshape(n, rows * columns, -1)


@wrong("patchify", hint="rows and columns within a patch")
def patches_lie_on_their_side(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    rows, columns = height // patch_size, width // patch_size
    grid = X.reshape(n, channels, rows, patch_size, columns, patch_size)
    return grid.permute(0, 2, 4, 1, 5, 3).reshape(n, rows * columns, -1)


@wrong("patchify", hint="a reshape alone")
def only_a_reshape(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    return X.reshape(n, -1, channels * patch_size**2)


@wrong("patchify", hint="the axes of the grid")
def takes_strips_for_patches(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    rows, columns = height // patch_size, width // patch_size
    grid = X.reshape(n, channels, patch_size, rows, patch_size, columns)
    return grid.permute(0, 3, 5, 1, 2, 4).reshape(n, rows * columns, -1)


@wrong("patchify", hint="N × (C · p · p)")
def forgets_the_transpose_of_unfold(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size or X.shape[3] % patch_size:
        raise ValueError(f"{patch_size}, {X.shape[2]}, {X.shape[3]}")
    return functional.unfold(X, patch_size, stride=patch_size)


@wrong("patchify", hint="patches do not overlap")
def overlapping_patches(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size or X.shape[3] % patch_size:
        raise ValueError(f"{patch_size}, {X.shape[2]}, {X.shape[3]}")
    return functional.unfold(X, patch_size).mT


@wrong("patchify", hint="does not divide the image")
def drops_the_rest(X: Tensor, patch_size: int) -> Tensor:
    return functional.unfold(X, patch_size, stride=patch_size).mT


@wrong("patchify", hint="does not divide the image")
def pads_the_rest(X: Tensor, patch_size: int) -> Tensor:
    right, below = -X.shape[3] % patch_size, -X.shape[2] % patch_size
    padded = functional.pad(X, (0, right, 0, below))
    return functional.unfold(padded, patch_size, stride=patch_size).mT


@wrong("patchify", hint="height and width")
def looks_at_the_height_alone(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size:
        raise ValueError(f"{patch_size} does not divide {X.shape[2]}")
    return functional.unfold(X, patch_size, stride=patch_size).mT


@wrong("patchify", hint="name the patch size and the number")
def refuses_without_numbers(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size or X.shape[3] % patch_size:
        raise ValueError("bad patch size")
    return functional.unfold(X, patch_size, stride=patch_size).mT


@wrong("patchify", hint="view needs contiguous memory")
def views_the_permuted_image(X: Tensor, patch_size: int) -> Tensor:
    n, channels, height, width = X.shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"{patch_size}, {height}, {width}")
    rows, columns = height // patch_size, width // patch_size
    grid = X.view(n, channels, rows, patch_size, columns, patch_size)
    return grid.permute(0, 2, 4, 1, 3, 5).view(n, rows * columns, -1)


@wrong("patchify", hint="squeeze")
def squeezes_a_batch_of_one(X: Tensor, patch_size: int) -> Tensor:
    if X.shape[2] % patch_size or X.shape[3] % patch_size:
        raise ValueError(f"{patch_size}, {X.shape[2]}, {X.shape[3]}")
    return functional.unfold(X, patch_size, stride=patch_size).mT.squeeze(0)


# unpatchify


@right("unpatchify")
def by_fold(patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = image_shape
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    n_patches = (height // patch_size) * (width // patch_size)
    if tuple(patches.shape[1:]) != (n_patches, channels * patch_size * patch_size):
        raise ValueError(f"{tuple(patches.shape)} does not fit {image_shape}")
    return functional.fold(patches.mT, (height, width), patch_size, stride=patch_size)


@right("unpatchify")
def patch_after_patch(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    p, (channels, height, width) = patch_size, image_shape
    if height * width != p * p * patches.shape[1] or patches.shape[2] != channels * p * p:
        raise ValueError(f"{tuple(patches.shape)}, {image_shape}")
    if height % p or width % p:
        raise ValueError(f"{p}, {image_shape}")
    X = patches.new_empty(len(patches), channels, height, width)
    for k in range(patches.shape[1]):
        i, j = divmod(k, width // p)
        patch = patches[:, k].reshape(-1, channels, p, p)
        X[:, :, i * p : (i + 1) * p, j * p : (j + 1) * p] = patch
    return X


@wrong("unpatchify", hint="row by row, from left to right")
def expects_columns_of_patches(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    grid = patches.reshape(-1, columns, rows, channels, patch_size, patch_size)
    return grid.permute(0, 3, 2, 4, 1, 5).reshape(-1, channels, height, width)


@wrong("unpatchify", hint="channel comes first")
def expects_channels_last(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    grid = patches.reshape(-1, rows, columns, patch_size, patch_size, channels)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(-1, channels, height, width)


@wrong("unpatchify", hint="rows and columns within a patch")
def turns_the_patches(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    grid = patches.reshape(-1, rows, columns, channels, patch_size, patch_size)
    return grid.permute(0, 3, 1, 5, 2, 4).reshape(-1, channels, height, width)


@wrong("unpatchify", hint="a reshape alone")
def reshapes_back(patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    return patches.reshape(len(patches), *image_shape)


@wrong("unpatchify", hint="raise ValueError")
def believes_the_shape(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    grid = patches.reshape(-1, rows, columns, channels, patch_size, patch_size)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height, width)


@wrong("unpatchify", hint="height and width")
def exchanges_height_and_width(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, width, height = image_shape
    rows, columns = height // patch_size, width // patch_size
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    grid = patches.reshape(-1, rows, columns, channels, patch_size, patch_size)
    return grid.permute(0, 3, 1, 4, 2, 5).reshape(-1, channels, height, width)


@wrong("unpatchify", hint="view needs contiguous memory")
def views_the_permuted_patches(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    rows, columns = height // patch_size, width // patch_size
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    if patches.shape[1:] != (rows * columns, channels * patch_size**2):
        raise ValueError("no such patches")
    grid = patches.view(-1, rows, columns, channels, patch_size, patch_size)
    return grid.permute(0, 3, 1, 4, 2, 5).view(-1, channels, height, width)


@wrong("unpatchify", hint="squeeze")
def squeezes_the_image(
    patches: Tensor, patch_size: int, image_shape: tuple[int, int, int]
) -> Tensor:
    channels, height, width = image_shape
    if height % patch_size or width % patch_size:
        raise ValueError("no whole number of patches")
    n_patches = (height // patch_size) * (width // patch_size)
    if patches.shape[1:] != (n_patches, channels * patch_size**2):
        raise ValueError("no such patches")
    return functional.fold(patches.mT, (height, width), patch_size, stride=patch_size).squeeze()
