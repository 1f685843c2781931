"""Answers to the task of `solutions.fully_convolutional`."""

# A layer without biases has None there; students look, or forget to look.
# mypy: disable-error-code="union-attr, index"

from typing import Any

import torch
from torch import nn

from tests.wrong_answers import right, wrong


@wrong("linear_to_conv", hint="1 × 1")
def one_by_one(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(linear.in_features, linear.out_features, 1, **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="height and width are exchanged")
def sides_exchanged(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (width, height), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="channels come last")
def channels_last(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    weight = linear.weight.data.reshape(-1, height, width, channels)
    conv.weight.data.copy_(weight.permute(0, 3, 1, 2))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="column by column")
def column_by_column(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    weight = linear.weight.data.reshape(-1, channels, width, height)
    conv.weight.data.copy_(weight.transpose(2, 3))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="not flipped")
def flipped(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape).flip(2, 3))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="copy weight and bias")
def random_weights(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    return conv


@wrong("linear_to_conv", hint="biases are not copied")
def biases_not_copied(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.zero_()
    return conv


@wrong("linear_to_conv", hint="has none")
def biases_always(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": True, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    conv.bias.data.zero_()
    if linear.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="has none")
def biases_expected(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": True, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="copy their values")
def parameters_shared(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data = linear.weight.data.view(conv.weight.shape)
    if conv.bias is not None:
        conv.bias.data = linear.bias.data
    return conv


@wrong("linear_to_conv", hint="dtype of the layer")
def always_float32(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="raise ValueError")
def sizes_not_looked_at(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    weight = linear.weight.data.flatten()[: conv.weight.numel()]
    conv.weight.data.flatten()[: len(weight)] = weight
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="stride 1")
def windows_side_by_side(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="no padding")
def padded_to_the_same_size(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), padding="same", **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return conv


@wrong("linear_to_conv", hint="no pooling")
def with_global_pooling(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    conv.weight.data.copy_(linear.weight.data.reshape(conv.weight.shape))
    if conv.bias is not None:
        conv.bias.data.copy_(linear.bias.data)
    return nn.Sequential(conv, nn.AdaptiveAvgPool2d(1))  # type: ignore[return-value]


@right("linear_to_conv")
def new_parameters(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    conv = nn.Conv2d(channels, linear.out_features, (height, width), bias=False)
    weight = linear.weight.detach().clone()
    conv.weight = nn.Parameter(weight.unflatten(1, (channels, height, width)))
    if linear.bias is not None:
        conv.bias = nn.Parameter(linear.bias.detach().clone())
    return conv


@right("linear_to_conv")
def by_state_dict(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    expected = channels * height * width
    if linear.in_features != expected:
        raise ValueError(f"{linear.in_features} inputs, not {expected}")
    conv = nn.Conv2d(
        channels, linear.out_features, kernel_size=(height, width), bias=linear.bias is not None
    ).to(linear.weight)
    state = linear.state_dict()
    state["weight"] = state["weight"].reshape(-1, channels, height, width)
    conv.load_state_dict(state)
    return conv


@right("linear_to_conv")
def pixel_by_pixel(linear: nn.Linear, channels: int, height: int, width: int) -> nn.Conv2d:
    if linear.in_features != channels * height * width:
        raise ValueError("the sizes do not fit")
    kind: dict[str, Any] = {"bias": linear.bias is not None, "dtype": linear.weight.dtype}
    conv = nn.Conv2d(channels, linear.out_features, (height, width), **kind)
    with torch.no_grad():
        for c in range(channels):
            for i in range(height):
                for j in range(width):
                    conv.weight[:, c, i, j] = linear.weight[:, (c * height + i) * width + j]
        if linear.bias is not None:
            conv.bias[:] = linear.bias
    return conv
