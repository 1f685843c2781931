"""A fully-connected layer as a convolution whose kernel is the whole feature map."""

import torch
from torch import nn


def linear_to_conv(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    """Turn a fully-connected layer on flattened feature maps into a convolution.

    On a map of channels × height × width the convolution gives the outputs of the layer, each as a
    map of 1 × 1; on a larger map it gives them for each position of a window of height × width.

    Args:
        linear: a layer whose inputs are maps flattened by torch.flatten (channel by channel, row by
            row); not modified.
        channels: channels of the maps.
        height: their height.
        width: their width.

    Returns:
        An nn.Conv2d without padding, with the dtype and the device of linear, and with biases where
        linear has them. Its parameters are copies: training one layer leaves the other as it is.

    Raises:
        ValueError: linear does not have channels · height · width inputs.

    Formula: book, unit 2, page `fully_convolutional`.
    """
    if linear.in_features != channels * height * width:
        size = f"{channels} × {height} × {width}"
        raise ValueError(f"a layer with {linear.in_features} inputs does not fit maps of {size}")
    conv = nn.Conv2d(
        channels,
        linear.out_features,
        (height, width),
        bias=linear.bias is not None,
        dtype=linear.weight.dtype,
        device=linear.weight.device,
    )
    with torch.no_grad():
        conv.weight.copy_(linear.weight.reshape(conv.weight.shape))
        if conv.bias is not None:
            conv.bias.copy_(linear.bias)
    return conv
