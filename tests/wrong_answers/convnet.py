"""Answers to the task of `solutions.convnet`."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tests.wrong_answers import right, wrong


@right("ConvNet")
class WithModules(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)
        self.pool = nn.MaxPool2d(kernel_size=2, stride=2)

    def forward(self, X: Tensor) -> Tensor:
        X = self.pool(torch.relu(self.conv1(X)))
        X = self.pool(torch.relu(self.conv2(X)))
        X = self.pool(torch.relu(self.conv3(X)))
        X = X.view(X.size(0), -1)
        return self.fc2(torch.relu(self.fc1(X)))


@right("ConvNet")
class PoolsFirst(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.relu(functional.max_pool2d(self.conv1(X), 2), inplace=True)
        X = functional.relu(functional.max_pool2d(self.conv2(X), 2), inplace=True)
        X = functional.relu(functional.max_pool2d(self.conv3(X), 2), inplace=True)
        h = self.fc1(X.reshape(len(X), -1)).clamp(min=0)
        return self.fc2(h)


@wrong("ConvNet", hint="softmax belongs to the loss")
class SoftmaxAtTheEnd(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        h = functional.relu(self.fc1(X.flatten(1)))
        return torch.softmax(self.fc2(h), dim=1)


@wrong("ConvNet", hint="no log_softmax")
class LogSoftmaxAtTheEnd(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        h = functional.relu(self.fc1(X.flatten(1)))
        return torch.log_softmax(self.fc2(h), dim=1)


@wrong("ConvNet", hint="after fc2")
class ReluAtTheEnd(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        h = functional.relu(self.fc1(X.flatten(1)))
        return functional.relu(self.fc2(h))


@wrong("ConvNet", hint="after fc1 is missing")
class LinearAfterLinear(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        return self.fc2(self.fc1(X.flatten(1)))


@wrong("ConvNet", hint="every convolution")
class NoReluInTheBlocks(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(self.conv1(X), 2)
        X = functional.max_pool2d(self.conv2(X), 2)
        X = functional.max_pool2d(self.conv3(X), 2)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="after conv3")
class NoReluInTheLastBlock(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(self.conv3(X), 2)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="takes the maximum")
class AveragePooling(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.avg_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.avg_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.avg_pool2d(functional.relu(self.conv3(X)), 2)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="pool three times")
class PoolsTwice(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.relu(self.conv3(X))
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="drop an odd last row")
class KeepsOddRows(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2, ceil_mode=True)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2, ceil_mode=True)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2, ceil_mode=True)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="channel by channel")
class FlattensPixelByPixel(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        X = X.permute(0, 2, 3, 1).flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="flatten from dimension 1")
class FlattensTheBatch(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        return self.fc2(functional.relu(self.fc1(X.flatten())))


@wrong("ConvNet", hint="flatten from dimension 1")
class KnowsOneImageSize(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        X = X.view(-1, 64 * 4 * 4)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="conv2 is used twice")
class UsesConv2Twice(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))


@wrong("ConvNet", hint="squeeze")
class SqueezesOneImage(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        X = X.flatten(1)
        return self.fc2(functional.relu(self.fc1(X))).squeeze()


@wrong("ConvNet", hint="carry the graph")
class CutsTheGraph(nn.Module):
    def __init__(
        self,
        image_shape: tuple[int, int, int],
        n_classes: int,
        widths: tuple[int, int, int] = (32, 64, 64),
        n_hidden: int = 1000,
    ) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, widths[0], kernel_size=5, padding=2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], kernel_size=5, padding=2)
        self.conv3 = nn.Conv2d(widths[1], widths[2], kernel_size=5, padding=2)
        self.fc1 = nn.Linear(widths[2] * (height // 8) * (width // 8), n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        X = functional.max_pool2d(functional.relu(self.conv1(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv2(X)), 2)
        X = functional.max_pool2d(functional.relu(self.conv3(X)), 2)
        X = X.data.flatten(1)
        return self.fc2(functional.relu(self.fc1(X)))
