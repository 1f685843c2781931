"""The convolutional network of the unit: three convolutions with pooling, two linear layers."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class ConvNet(nn.Module):
    """Three blocks of convolution, ReLU and 2 × 2 max pooling, then two linear layers.

    The convolutions keep the size of their map (5 × 5 kernels with a padding of 2); each pooling
    halves height and width and drops an odd last row or column.

    Book: unit 2, page `network`.

    Args:
        image_shape: channels, height and width of the images; height and width are at least 8.
        n_classes: number of classes.
        widths: number of channels after each of the three convolutions.
        n_hidden: number of units of the first linear layer.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        """Create the layers; they are ready for use in `forward`."""
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        """Compute the output pre-activations of a batch of images.

        conv1, ReLU, pool; conv2, ReLU, pool; conv3, ReLU, pool; the maps of each image as one row,
        channel by channel; fc1, ReLU; fc2. The softmax belongs to the loss.

        Args:
            X: images, B × channels × height × width.

        Returns:
            Pre-activations, B × n_classes.
        """
        for conv in (self.conv1, self.conv2, self.conv3):
            X = functional.max_pool2d(functional.relu(conv(X)), 2)
        return self.fc2(functional.relu(self.fc1(torch.flatten(X, start_dim=1))))
