"""Answers to the tasks of `solutions.transfer`."""

import copy

import torch
from torch import Tensor, nn
from torchvision.models import VisionTransformer

from tests.wrong_answers import right, wrong

# Students write `model.heads.head.in_features`, whose type mypy cannot know.
# mypy: disable-error-code="union-attr, arg-type"

# grey_kernel


@right("grey_kernel")
def mean_times_channels(weight: Tensor) -> Tensor:
    return weight.shape[1] * weight.mean(dim=1).unsqueeze(1)


@right("grey_kernel")
def channel_after_channel(weight: Tensor) -> Tensor:
    kernel = torch.zeros_like(weight[:, :1])
    for channel in range(weight.shape[1]):
        kernel += weight[:, channel : channel + 1]
    return kernel


@wrong("grey_kernel", hint="mean alone is C times too small")
def mean_alone(weight: Tensor) -> Tensor:
    return weight.mean(dim=1, keepdim=True)


@wrong("grey_kernel", hint="not always 3")
def three_times_the_mean(weight: Tensor) -> Tensor:
    return 3 * weight.mean(dim=1, keepdim=True)


@wrong("grey_kernel", hint="one channel alone")
def first_channel(weight: Tensor) -> Tensor:
    return weight[:, :1].clone()


@wrong("grey_kernel", hint="one channel alone")
def first_channel_times_channels(weight: Tensor) -> Tensor:
    return weight[:, :1] * weight.shape[1]


@wrong("grey_kernel", hint="n_out × 1 × p × p")
def without_a_channel(weight: Tensor) -> Tensor:
    return weight.sum(dim=1)


@wrong("grey_kernel", hint="dimension 1")
def sum_over_kernels(weight: Tensor) -> Tensor:
    return weight.sum(dim=0, keepdim=True)


@wrong("grey_kernel", hint="weights of a picture's brightness")
def brightness(weight: Tensor) -> Tensor:
    shares = torch.tensor([0.299, 0.587, 0.114], dtype=weight.dtype)
    if weight.shape[1] != 3:
        return weight.sum(dim=1, keepdim=True)
    return (weight * shares[:, None, None]).sum(dim=1, keepdim=True)


@wrong("grey_kernel", hint="work on a copy")
def sums_in_place(weight: Tensor) -> Tensor:
    kernel = weight[:, :1]
    for channel in range(1, weight.shape[1]):
        kernel += weight[:, channel : channel + 1]
    return kernel


# replace_head


@right("replace_head")
def parameter_by_parameter(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    for parameter in model.parameters():
        parameter.requires_grad = not freeze
    old = model.heads.head
    setattr(model.heads, "head", nn.Linear(old.in_features, n_classes, bias=True))  # noqa: B010
    return model


@right("replace_head")
def a_new_sequence(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    model.heads[-1] = nn.Linear(model.heads[-1].weight.size(1), n_classes)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not freeze or name.startswith("heads.head"))
    return model


@wrong("replace_head", hint="the new head is frozen too")
def freezes_the_head(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    for parameter in model.parameters():
        parameter.requires_grad = not freeze
    return model


@wrong("replace_head", hint="nothing is frozen")
def freezes_nothing(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    model.requires_grad_(True)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    return model


@wrong("replace_head", hint="other way round")
def freezes_when_it_should_not(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(freeze)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    return model


@wrong("replace_head", hint="frozen before")
def never_thaws(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    if freeze:
        model.requires_grad_(False)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    return model


@wrong("replace_head", hint="encoder alone")
def freezes_the_encoder_alone(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(True)
    model.encoder.requires_grad_(not freeze)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    return model


@wrong("replace_head", hint="in the place of model.heads.head")
def replaces_all_of_heads(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(not freeze)
    model.heads = nn.Linear(model.hidden_dim, n_classes)  # type: ignore[assignment]
    return model


@wrong("replace_head", hint="as many inputs as the old one")
def head_of_the_hidden_size(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(not freeze)
    model.heads.head = nn.Linear(model.hidden_dim, n_classes)
    return model


@wrong("replace_head", hint="n_classes outputs")
def renames_the_outputs(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(not freeze)
    model.heads.head.requires_grad_(True)
    model.heads.head.out_features = n_classes
    return model


@wrong("replace_head", hint="fresh")
def cuts_the_old_head(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    model.requires_grad_(not freeze)
    old = model.heads.head
    model.heads.head = nn.Linear(old.in_features, n_classes)
    with torch.no_grad():
        kept = min(n_classes, old.weight.shape[0])
        model.heads.head.weight[:kept] = old.weight[:kept]
        model.heads.head.bias[:kept] = old.bias[:kept]
    return model


@wrong("replace_head", hint="biases")
def head_without_biases(
    model: VisionTransformer, n_classes: int, freeze: bool
) -> VisionTransformer:
    model.requires_grad_(not freeze)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes, bias=False)
    return model


@wrong("replace_head", hint="in place")
def works_on_a_copy(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    adapted = copy.deepcopy(model)
    adapted.requires_grad_(not freeze)
    adapted.heads.head = nn.Linear(adapted.heads.head.in_features, n_classes)
    return adapted


@wrong("replace_head", hint="return the model")
def returns_nothing(model: VisionTransformer, n_classes: int, freeze: bool) -> None:
    model.requires_grad_(not freeze)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)


@wrong("replace_head", hint="keep their values")
def resets_the_model(model: VisionTransformer, n_classes: int, freeze: bool) -> VisionTransformer:
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.LayerNorm):
            layer.reset_parameters()
    model.requires_grad_(not freeze)
    model.heads.head = nn.Linear(model.heads.head.in_features, n_classes)
    return model
