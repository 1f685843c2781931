"""One convolutional network on PyTorch's three levels: bare tensors, a module, a sequence."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def three_layer_convnet(X: Tensor, params: Sequence[Tensor]) -> Tensor:
    """Compute the pre-activations of a network of three layers from bare tensors.

    A convolution with a padding of 2, ReLU, a convolution with a padding of 1, ReLU, the maps of
    each image in one row, channel by channel, and a linear layer. Both strides are 1, so that 5 × 5
    and 3 × 3 kernels keep the size of the map. The softmax belongs to the loss.

    Book: unit 4, page `levels`.

    Args:
        X: images, N × C × H × W; not modified.
        params: six tensors: the first kernels, C_1 × C × 5 × 5, and biases, (C_1,); the second
            kernels, C_2 × C_1 × 3 × 3, and biases, (C_2,); the weights of the linear layer,
            n_classes × (C_2 · H · W) as in nn.Linear, and its biases, (n_classes,).

    Returns:
        Pre-activations, N × n_classes; they carry the graph where a parameter requires gradients.
    """
    kernels_1, biases_1, kernels_2, biases_2, weights, biases = params
    maps = functional.relu(functional.conv2d(X, kernels_1, biases_1, padding=2))
    maps = functional.relu(functional.conv2d(maps, kernels_2, biases_2, padding=1))
    return maps.flatten(start_dim=1) @ weights.T + biases


def sgd_step(params: Sequence[Tensor], learning_rate: float) -> None:
    """Make one step of gradient descent on bare tensors, and clear their gradients.

    Each parameter changes in place, p ← p - learning_rate · p.grad, without a trace in the graph;
    then its gradient is None or zero. torch.optim is not allowed here.

    Book: unit 4, page `levels`.

    Args:
        params: leaf tensors that require gradients, and still do after the step. One whose grad is
            None stays as it is.
        learning_rate: size of the step.
    """
    with torch.no_grad():
        for parameter in params:
            if parameter.grad is not None:
                parameter -= learning_rate * parameter.grad
                parameter.grad = None


class ThreeLayerConvNet(nn.Module):
    """The network of `three_layer_convnet` as a module.

    Book: unit 4, page `levels`.

    Args:
        image_shape: channels C, height H and width W of the images.
        channel_1: channels C_1 after the first convolution (5 × 5, padding 2).
        channel_2: channels C_2 after the second convolution (3 × 3, padding 1).
        n_classes: number of classes.
    """

    def __init__(
        self, image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
    ) -> None:
        """Create the layers and initialise them."""
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, channel_1, kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1)
        self.fc = nn.Linear(channel_2 * height * width, n_classes)
        self.initialise()

    def initialise(self) -> None:
        """Draw the weights of all three layers by He's rule anew, and set all biases to zero.

        The weights of a layer are normal with mean 0 and variance 2 / fan_in, drawn from the global
        generator; fan_in is the number of inputs of one of its outputs.
        """
        for layer in (self.conv1, self.conv2, self.fc):
            nn.init.kaiming_normal_(layer.weight)
            assert layer.bias is not None  # what the type of a layer leaves open
            nn.init.zeros_(layer.bias)

    def forward(self, X: Tensor) -> Tensor:
        """Compute the pre-activations of a batch of images.

        Args:
            X: images, N × C × H × W; not modified.

        Returns:
            Pre-activations, N × n_classes.
        """
        maps = functional.relu(self.conv2(functional.relu(self.conv1(X))))
        return self.fc(maps.flatten(start_dim=1))


def sequential_convnet(
    image_shape: tuple[int, int, int], channel_1: int, channel_2: int, n_classes: int
) -> nn.Sequential:
    """Build the network of `three_layer_convnet` as a sequence of layers.

    Its parameters have the shapes of those of `three_layer_convnet`, in the same order; their
    initial values are PyTorch's.

    Book: unit 4, page `levels`.

    Args:
        image_shape: channels C, height H and width W of the images.
        channel_1: channels C_1 after the first convolution (5 × 5, padding 2).
        channel_2: channels C_2 after the second convolution (3 × 3, padding 1).
        n_classes: number of classes.

    Returns:
        An nn.Sequential that maps images, N × C × H × W, to pre-activations, N × n_classes.
    """
    channels, height, width = image_shape
    return nn.Sequential(
        nn.Conv2d(channels, channel_1, kernel_size=5, padding=2),
        nn.ReLU(),
        nn.Conv2d(channel_1, channel_2, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(channel_2 * height * width, n_classes),
    )
