"""A large vision transformer for other images and other classes than it was trained for."""

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer, vit_b_16

from solutions.positions import interpolate_positions


def grey_kernel(weight: Tensor) -> Tensor:
    """Turn a kernel for images of C channels into one for grey images.

    A grey image under the new kernel gives what the old kernel gave for the same image repeated in
    all C channels: the new kernel is the mean over the channels times their number.

    Book: unit 3, page `large_models`.

    Args:
        weight: n_out × C × p × p; not modified.

    Returns:
        n_out × 1 × p × p.
    """
    return weight.sum(dim=1, keepdim=True)


def replace_head(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    """Give a vision transformer of torchvision a new head for another number of classes.

    The new head is a fresh nn.Linear with biases in the place of `model.heads.head`. With freeze,
    it alone is trained: no other parameter requires gradients any more. Otherwise all parameters
    require gradients, also those that did not before.

    Book: unit 3, page `large_models`.

    Args:
        model: changed in place; its other parameters keep their values.
        n_classes: number of outputs of the new head.
        freeze: whether the rest of the model stays as it is in training.

    Returns:
        The same model.
    """
    model.requires_grad_(not freeze)
    n_in = model.heads.get_parameter("head.weight").shape[1]
    model.heads.head = nn.Linear(n_in, n_classes)
    return model


def large_vit(weights: Path | None = None) -> VisionTransformer:
    """Build ViT-B/16 without a download.

    Args:
        weights: a file with its state_dict, such as torchvision's; None leaves the random initial
            weights (drawn from the global generator).

    Returns:
        The model for 3 × 224 × 224 images and 1000 classes.

    Raises:
        OSError: the file cannot be read.
        RuntimeError: it holds the state of another model.
    """
    model = vit_b_16(weights=None)
    if weights is not None:
        state = torch.load(weights, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    return model


@torch.no_grad()
def for_grey_images(model: VisionTransformer, image_size: int) -> VisionTransformer:
    """Fit a vision transformer of torchvision to grey square images of another size.

    Its patches keep their size: the kernel of the patches gets one input channel, and the
    positions are interpolated to the new grid of patches.

    Args:
        model: changed in place.
        image_size: rows and columns of the new images.

    Returns:
        The same model.

    Raises:
        ValueError: the model's patch size does not divide image_size.
    """
    if image_size % model.patch_size:
        raise ValueError(f"patches of {model.patch_size} do not tile {image_size} pixels")
    old, new = model.image_size // model.patch_size, image_size // model.patch_size
    model.conv_proj.weight = nn.Parameter(grey_kernel(model.conv_proj.weight))
    model.conv_proj.in_channels = 1
    positions = interpolate_positions(model.encoder.pos_embedding, (old, old), (new, new))
    model.encoder.pos_embedding = nn.Parameter(positions)
    model.image_size, model.seq_length = image_size, 1 + new * new
    return model
