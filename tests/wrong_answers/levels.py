"""Answers to the tasks of `solutions.levels`."""

# Slips replace lines of answers whose types mypy cannot follow.
# mypy: disable-error-code="arg-type, index, operator, union-attr"

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions import levels
from tests.wrong_answers import right, slip, wrong

# ---- three_layer_convnet ------------------------------------------------------------------------


@right("three_layer_convnet")
def by_unfolding(X: Tensor, params: Sequence[Tensor]) -> Tensor:
    def convolved(X: Tensor, kernels: Tensor, biases: Tensor, padding: int) -> Tensor:
        columns = functional.unfold(X, kernels.shape[2:], padding=padding)
        maps = kernels.reshape(len(kernels), -1) @ columns + biases[:, None]
        return maps.reshape(len(X), len(kernels), *X.shape[2:])

    first = convolved(X, params[0], params[1], 2).clamp(min=0)
    second = convolved(first, params[2], params[3], 1).clamp(min=0)
    return functional.linear(second.reshape(len(X), -1), params[4], params[5])


@right("three_layer_convnet")
def with_functions_alone(X: Tensor, params: Sequence[Tensor]) -> Tensor:
    w1, b1, w2, b2, w3, b3 = params
    h = torch.relu(torch.conv2d(X, w1, b1, padding="same"))
    h = torch.relu(torch.conv2d(h, w2, b2, padding="same"))
    return torch.addmm(b3, torch.flatten(h, 1), w3.t())


slip(
    levels.three_layer_convnet,
    "no_padding",
    {", padding=2": "", ", padding=1": ""},
    hint="keep the size of the map",
)
slip(
    levels.three_layer_convnet,
    "paddings_exchanged",
    {"biases_1, padding=2": "biases_1, padding=1", "biases_2, padding=1": "biases_2, padding=2"},
    hint="the other way round",
)
slip(
    levels.three_layer_convnet,
    "no_second_relu",
    {
        "functional.relu(functional.conv2d(maps, kernels_2, biases_2, padding=1))": (
            "functional.conv2d(maps, kernels_2, biases_2, padding=1)"
        )
    },
    hint="the second convolution is missing",
)
slip(
    levels.three_layer_convnet,
    "no_first_relu",
    {
        "functional.relu(functional.conv2d(X, kernels_1, biases_1, padding=2))": (
            "functional.conv2d(X, kernels_1, biases_1, padding=2)"
        )
    },
    hint="the first convolution is missing",
)
slip(
    levels.three_layer_convnet,
    "last_relu",
    {
        "return maps.flatten(start_dim=1) @ weights.T + biases": (
            "return functional.relu(maps.flatten(start_dim=1) @ weights.T + biases)"
        )
    },
    hint="no ReLU after the last layer",
)
slip(
    levels.three_layer_convnet,
    "softmax_at_the_end",
    {
        "return maps.flatten(start_dim=1) @ weights.T + biases": (
            "return (maps.flatten(start_dim=1) @ weights.T + biases).softmax(dim=1)"
        )
    },
    hint="the softmax belongs to the loss",
)
slip(
    levels.three_layer_convnet,
    "pixel_by_pixel",
    {"maps.flatten(start_dim=1)": "maps.permute(0, 2, 3, 1).flatten(start_dim=1)"},
    hint="channel by channel",
)
slip(
    levels.three_layer_convnet,
    "flipped_kernels",
    {
        "(X, kernels_1,": "(X, kernels_1.flip(2, 3),",
        "(maps, kernels_2,": ("(maps, kernels_2.flip(2, 3),"),
    },
    hint="turned round",
)
slip(
    levels.three_layer_convnet,
    "no_last_biases",
    {" + biases": ""},
    hint="last biases",
)
slip(
    levels.three_layer_convnet,
    "weights_of_the_other_tradition",
    {"weights.T": "weights"},
    hint="n_out × n_in",
)
slip(
    levels.three_layer_convnet,
    "detached",
    {"maps.flatten(start_dim=1)": "maps.detach().flatten(start_dim=1)"},
    hint="must carry the graph",
)
slip(
    levels.three_layer_convnet,
    "view_of_strided_images",
    {"functional.conv2d(X,": "functional.conv2d(X.view(-1).view(X.shape),"},
    hint="reshape works where view",
)

# ---- sgd_step -----------------------------------------------------------------------------------


@right("sgd_step")
def by_data(params: Sequence[Tensor], learning_rate: float) -> None:
    for p in params:
        if p.grad is None:
            continue
        p.data -= learning_rate * p.grad
        p.grad.zero_()


@right("sgd_step")
def in_two_passes(params: Sequence[Tensor], learning_rate: float) -> None:
    moving = [p for p in params if p.grad is not None]
    with torch.no_grad():
        for p in moving:
            p.copy_(p - learning_rate * p.grad)
    for p in moving:
        p.grad = torch.zeros_like(p)


slip(levels.sgd_step, "climbs", {"-= learning_rate": "+= learning_rate"}, hint="climbs")
slip(
    levels.sgd_step, "no_rate", {"learning_rate * parameter.grad": "parameter.grad"}, hint="size 1"
)
slip(
    levels.sgd_step,
    "new_tensors",
    {
        "parameter -= learning_rate * parameter.grad": (
            "parameter = parameter - learning_rate * parameter.grad"
        )
    },
    hint="in place",
)
slip(
    levels.sgd_step,
    "keeps_the_gradients",
    {"parameter.grad = None": "pass"},
    hint="the gradients stay",
)
slip(
    levels.sgd_step,
    "tracked",
    {"with torch.no_grad()": "with torch.enable_grad()"},
    hint="torch.no_grad()",
)
slip(
    levels.sgd_step,
    "every_gradient_is_there",
    {"parameter.grad is not None": "True"},
    hint="may be None",
)
slip(
    levels.sgd_step,
    "normalised",
    {"* parameter.grad": "* parameter.grad / parameter.grad.norm()"},
    hint="do not normalise",
)
slip(
    levels.sgd_step,
    "no_leaves_any_more",
    {"parameter.grad = None": "parameter.grad = None\n            parameter.requires_grad_(False)"},
    hint="still require gradients",
)


@wrong("sgd_step", hint="after the step, not before")
def clears_first(params: Sequence[Tensor], learning_rate: float) -> None:
    with torch.no_grad():
        for parameter in params:
            parameter.grad = torch.zeros_like(parameter)
            parameter -= learning_rate * parameter.grad


@wrong("sgd_step", hint="makes a new tensor")
def new_tensors_in_two_loops(params: Sequence[Tensor], learning_rate: float) -> None:
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p = p - learning_rate * p.grad
    for p in params:
        p.grad = None


# ---- ThreeLayerConvNet --------------------------------------------------------------------------


@right("ThreeLayerConvNet")
class DrawnByHand(nn.Module):
    def __init__(
        self, image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, channel_1, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1)
        self.fc = nn.Linear(channel_2 * height * width, n_classes)
        self.activation = nn.ReLU()
        self.initialise()

    def initialise(self) -> None:
        for name, value in self.named_parameters():
            if name.endswith("bias"):
                value.data.fill_(0)
            else:
                value.data = torch.randn(value.shape) * (2 / value[0].numel()) ** 0.5

    def forward(self, X: Tensor) -> Tensor:
        X = self.activation(self.conv1(X))
        X = self.activation(self.conv2(X))
        return self.fc(X.reshape(X.shape[0], -1))


@right("ThreeLayerConvNet")
class FilledInPlace(nn.Module):
    def __init__(
        self, image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, channel_1, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1)
        self.fc = nn.Linear(channel_2 * height * width, n_classes)
        self.initialise()

    @torch.no_grad()
    def initialise(self) -> None:
        for layer in self.children():
            fan_in = layer.weight[0].numel()
            layer.weight.normal_(0, (2 / fan_in) ** 0.5)
            layer.bias.zero_()

    def forward(self, X: Tensor) -> Tensor:
        for conv in (self.conv1, self.conv2):
            X = conv(X).relu()
        return self.fc(X.flatten(1))


HE = "nn.init.kaiming_normal_(layer.weight)"


def badly_drawn(name: str, line: str, hint: str) -> None:
    """A module that draws its weights by another rule."""
    slip(levels.ThreeLayerConvNet, name, {HE: line}, hint=hint)


badly_drawn("fan_out", "nn.init.kaiming_normal_(layer.weight, mode='fan_out')", "this is fan_out")
badly_drawn("xavier", "nn.init.xavier_normal_(layer.weight)", "Xavier's rule")
badly_drawn("uniform", "nn.init.kaiming_uniform_(layer.weight)", "uniform")
badly_drawn("as_pytorch_draws", "layer.reset_parameters()", "PyTorch's own")
badly_drawn(
    "no_factor_of_two",
    "nn.init.kaiming_normal_(layer.weight, nonlinearity='linear')",
    "half the inputs of a ReLU",
)
badly_drawn(
    "variance_for_deviation",
    "nn.init.normal_(layer.weight, 0, 2 / layer.weight[0].numel())",
    "square root",
)
badly_drawn(
    "no_area",
    "nn.init.normal_(layer.weight, 0, (2 / layer.weight.shape[1]) ** 0.5)",
    "kernel's area",
)
badly_drawn(
    "fixed_seed", f"torch.manual_seed(layer.weight.numel())\n            {HE}", "fixed seed"
)
slip(
    levels.ThreeLayerConvNet,
    "biases_drawn",
    {"nn.init.zeros_(layer.bias)": "nn.init.normal_(layer.bias, 0, 0.01)"},
    hint="sets biases to zero",
)
slip(
    levels.ThreeLayerConvNet,
    "no_relu_between",
    {"self.conv2(functional.relu(self.conv1(X)))": "self.conv2(self.conv1(X))"},
    hint="the first convolution is missing",
)
slip(
    levels.ThreeLayerConvNet,
    "relu_at_the_end",
    {
        "return self.fc(maps.flatten(start_dim=1))": (
            "return functional.relu(self.fc(maps.flatten(start_dim=1)))"
        )
    },
    hint="no ReLU after the last layer",
)
slip(
    levels.ThreeLayerConvNet,
    "flattened_with_the_batch",
    {"maps.flatten(start_dim=1)": "maps.flatten()"},
    hint="flattened from dimension 1 on",
)
# ---- sequential_convnet -------------------------------------------------------------------------


@right("sequential_convnet")
def with_add_module(
    image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
) -> nn.Sequential:
    model = nn.Sequential()
    n_in = image_shape[0]
    for number, (n_out, size) in enumerate([(channel_1, 5), (channel_2, 3)]):
        model.add_module(f"conv{number}", nn.Conv2d(n_in, n_out, size, padding="same"))
        model.add_module(f"relu{number}", nn.ReLU(inplace=True))
        n_in = n_out
    model.add_module("flatten", nn.Flatten())
    model.add_module("fc", nn.Linear(n_in * image_shape[1] * image_shape[2], n_classes))
    return model


@right("sequential_convnet")
def nested(
    image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
) -> nn.Sequential:
    c, h, w = image_shape
    first = nn.Sequential(nn.Conv2d(c, channel_1, (5, 5), 1, 2), nn.ReLU())
    second = nn.Sequential(nn.Conv2d(channel_1, channel_2, (3, 3), 1, 1), nn.ReLU())
    return nn.Sequential(first, second, nn.Flatten(1), nn.Linear(channel_2 * h * w, n_classes))


SECOND = "nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1), nn.ReLU(),"

slip(levels.sequential_convnet, "no_flatten", {"nn.Flatten(), ": ""}, hint="flattened from")
slip(
    levels.sequential_convnet,
    "second_relu_missing",
    {SECOND: SECOND.replace(" nn.ReLU(),", "")},
    hint="the second convolution is missing",
)
slip(
    levels.sequential_convnet,
    "relu_after_all",
    {"width, n_classes)": "width, n_classes), nn.ReLU()"},
    hint="no ReLU after the last layer",
)
slip(
    levels.sequential_convnet,
    "softmax_after_all",
    {"width, n_classes)": "width, n_classes), nn.Softmax(dim=1)"},
    hint="the softmax belongs to the loss",
)
slip(
    levels.sequential_convnet,
    "padding_exchanged",
    {
        "kernel_size=5, padding=2": "kernel_size=5, padding=1",
        "kernel_size=3, padding=1": ("kernel_size=3, padding=2"),
    },
    hint="the other way round",
)
slip(
    levels.sequential_convnet,
    "kernels_of_one_size",
    {"kernel_size=5, padding=2": "kernel_size=3, padding=1"},
    hint="in the same order",
)
slip(
    levels.sequential_convnet,
    "no_padding_at_all",
    {"kernel_size=5, padding=2": "kernel_size=5", "kernel_size=3, padding=1": "kernel_size=3"},
    hint="keep the size of the map",
)


@wrong("sequential_convnet", hint="nn.Sequential(layer, layer")
def a_module_of_its_own(
    image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
) -> nn.Module:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            channels, height, width = image_shape
            self.conv1 = nn.Conv2d(channels, channel_1, kernel_size=5, padding=2)
            self.conv2 = nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1)
            self.fc = nn.Linear(channel_2 * height * width, n_classes)

        def forward(self, X: Tensor) -> Tensor:
            X = torch.relu(self.conv2(torch.relu(self.conv1(X))))
            return self.fc(X.flatten(1))

    return Net()


@wrong("sequential_convnet", hint="return the module itself")
def a_list_of_layers(
    image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
) -> list[nn.Module]:
    channels, height, width = image_shape
    return [
        nn.Conv2d(channels, channel_1, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channel_2 * height * width, n_classes),
    ]
