"""Answers to the tasks of `solutions.augmentation`."""

import torch
from torch import Tensor
from torch.nn import functional

from tests.wrong_answers import right, wrong

# random_crop


@right("random_crop")
def crops_by_slices(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    padded = functional.pad(X, (padding, padding, padding, padding))
    height, width = X.shape[-2:]
    result = torch.empty_like(X)
    for number in range(len(X)):
        top = int(torch.randint(0, 2 * padding + 1, (), generator=generator))
        left = int(torch.randint(0, 2 * padding + 1, (), generator=generator))
        result[number] = padded[number, :, top : top + height, left : left + width]
    return result


@right("random_crop")
def crops_by_shifts(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    height, width = X.shape[2:]
    images = []
    for image in X:
        down, across = torch.randint(-padding, padding + 1, (2,), generator=generator).tolist()
        empty = torch.zeros_like(image)
        rows = slice(max(0, down), min(height, height + down))
        columns = slice(max(0, across), min(width, width + across))
        old_rows = slice(max(0, -down), min(height, height - down))
        old_columns = slice(max(0, -across), min(width, width - across))
        empty[:, rows, columns] = image[:, old_rows, old_columns]
        images.append(empty)
    return torch.stack(images)


@wrong("random_crop", hint="for each image by itself")
def one_window_for_all(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    top, left = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
    height, width = X.shape[2:]
    return functional.pad(X, [padding] * 4)[:, :, top : top + height, left : left + width]


@wrong("random_crop", hint="independent")
def along_the_diagonal(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i = int(torch.randint(2 * padding + 1, (), generator=generator))
        images.append(image[:, i : i + height, i : i + width])
    return torch.stack(images)


@wrong("random_crop", hint="2 · padding + 1 places")
def last_place_left_out(
    X: Tensor, padding: int, generator: torch.Generator | None = None
) -> Tensor:
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i, j = torch.randint(max(1, 2 * padding), (2,), generator=generator).tolist()
        images.append(image[:, i : i + height, j : j + width])
    return torch.stack(images)


@wrong("random_crop", hint="2 · padding + 1 places")
def only_towards_one_corner(
    X: Tensor, padding: int, generator: torch.Generator | None = None
) -> Tensor:
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i, j = torch.randint(padding + 1, (2,), generator=generator).tolist()
        images.append(image[:, i : i + height, j : j + width])
    return torch.stack(images)


@wrong("random_crop", hint="pad with zeros")
def repeats_the_border(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    padded = functional.pad(X, [padding] * 4, mode="replicate")
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i, j = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
        images.append(image[:, i : i + height, j : j + width])
    return torch.stack(images)


@wrong("random_crop", hint="pad with zeros")
def rolls_around(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    images = []
    for image in X:
        i, j = torch.randint(-padding, padding + 1, (2,), generator=generator).tolist()
        images.append(image.roll((i, j), dims=(1, 2)))
    return torch.stack(images)


@wrong("random_crop", hint="share one window")
def a_window_for_each_channel(
    X: Tensor, padding: int, generator: torch.Generator | None = None
) -> Tensor:
    padded = functional.pad(X, [padding] * 4).flatten(0, 1)
    height, width = X.shape[2:]
    maps = []
    for single in padded:
        i, j = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
        maps.append(single[i : i + height, j : j + width])
    return torch.stack(maps).reshape(X.shape)


@wrong("random_crop", hint="cut it out of the padded image")
def only_pads(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    return functional.pad(X, [padding] * 4)


@wrong("random_crop", hint="generator")
def crops_without_the_generator(
    X: Tensor, padding: int, generator: torch.Generator | None = None
) -> Tensor:
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i, j = torch.randint(2 * padding + 1, (2,)).tolist()
        images.append(image[:, i : i + height, j : j + width])
    return torch.stack(images)


@wrong("random_crop", hint="fixed seed")
def crops_with_a_fixed_seed(
    X: Tensor, padding: int, generator: torch.Generator | None = None
) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    images = []
    for image in padded:
        i, j = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
        images.append(image[:, i : i + height, j : j + width])
    return torch.stack(images)


@wrong("random_crop", hint="belongs to the caller")
def crops_in_place(X: Tensor, padding: int, generator: torch.Generator | None = None) -> Tensor:
    padded = functional.pad(X, [padding] * 4)
    height, width = X.shape[2:]
    for number, image in enumerate(padded):
        i, j = torch.randint(2 * padding + 1, (2,), generator=generator).tolist()
        X[number] = image[:, i : i + height, j : j + width]
    return X


# random_horizontal_flip


@right("random_horizontal_flip")
def flips_one_by_one(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    images = []
    for image in X:
        draw = torch.rand(1, generator=generator).item()
        images.append(torch.fliplr(image.permute(1, 2, 0)).permute(2, 0, 1) if draw < p else image)
    return torch.stack(images)


@right("random_horizontal_flip")
def flips_the_chosen(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    chosen = torch.bernoulli(torch.full((len(X),), p), generator=generator).bool()
    X = X.clone()
    X[chosen] = X[chosen].flip(-1)
    return X


@wrong("random_horizontal_flip", hint="for each image by itself")
def flips_all_or_none(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    return X.flip(dims=(3,)) if float(torch.rand((), generator=generator)) < p else X


@wrong("random_horizontal_flip", hint="top to bottom")
def flips_vertically(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    flipped = torch.rand(len(X), generator=generator) < p
    return torch.where(flipped[:, None, None, None], X.flip(dims=(2,)), X)


@wrong("random_horizontal_flip", hint="180 degrees")
def turns_around(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    flipped = torch.rand(len(X), generator=generator) < p
    return torch.where(flipped[:, None, None, None], X.flip(dims=(2, 3)), X)


@wrong("random_horizontal_flip", hint="reverses the channels")
def reverses_channels(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    flipped = torch.rand(len(X), generator=generator) < p
    return torch.where(flipped[:, None, None, None], X.flip(dims=(1,)), X)


@wrong("random_horizontal_flip", hint="here it is that of none")
def keeps_with_probability_p(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    flipped = torch.rand(len(X), generator=generator) >= p
    return torch.where(flipped[:, None, None, None], X.flip(dims=(3,)), X)


@wrong("random_horizontal_flip", hint="p is ignored")
def ignores_p(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    flipped = torch.randint(2, (len(X),), generator=generator).bool()
    return torch.where(flipped[:, None, None, None], X.flip(dims=(3,)), X)


@wrong("random_horizontal_flip", hint="as a whole")
def flips_single_rows(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    flipped = torch.rand(*X.shape[:3], 1, generator=generator) < p
    return torch.where(flipped, X.flip(dims=(3,)), X)


@wrong("random_horizontal_flip", hint="generator")
def flips_without_the_generator(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    flipped = torch.rand(len(X)) < p
    return torch.where(flipped[:, None, None, None], X.flip(dims=(3,)), X)


@wrong("random_horizontal_flip", hint="belongs to the caller")
def flips_in_place(X: Tensor, p: float = 0.5, generator: torch.Generator | None = None) -> Tensor:
    for number in range(len(X)):
        if float(torch.rand((), generator=generator)) < p:
            X[number] = X[number].flip(dims=(2,))
    return X


@wrong("random_horizontal_flip", hint="draw at random")
def flips_every_second(
    X: Tensor, p: float = 0.5, generator: torch.Generator | None = None
) -> Tensor:
    X = X.clone()
    X[::2] = X[::2].flip(dims=(3,))
    return X
