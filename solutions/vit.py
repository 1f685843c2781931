"""The vision transformer: its parameters counted, the model, and how it is trained."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


def vit_parameters(
    image_shape: tuple[int, int, int],
    patch_size: int,
    embed_dim: int,
    hidden_dim: int,
    n_blocks: int,
    n_classes: int,
) -> int:
    """Count the parameters of a vision transformer, without building it.

    Every linear layer has biases; a LayerNorm has a scale and a shift for each feature; the class
    token and the positions (one for each patch and one for the class token) are learned.

    Book: unit 3, page `vit`.

    Args:
        image_shape: channels, height and width of the images.
        patch_size: number of rows and of columns of a patch.
        embed_dim: features D of a token.
        hidden_dim: units of the MLP in each block.
        n_blocks: number of blocks: LayerNorm, attention (query, key, value and output
            projection), LayerNorm, MLP of two linear layers.
        n_classes: outputs of the head, a linear layer after a last LayerNorm.

    Returns:
        The number of parameters; how many heads share the D features does not change it.

    Raises:
        ValueError: patch_size does not divide height and width.
    """
    channels, height, width = image_shape
    if height % patch_size or width % patch_size:
        raise ValueError(f"a patch size of {patch_size} does not divide {height} × {width} pixels")
    n_patches = (height // patch_size) * (width // patch_size)
    norm = 2 * embed_dim
    embedding = channels * patch_size**2 * embed_dim + embed_dim
    tokens = embed_dim + (n_patches + 1) * embed_dim
    attention = 4 * (embed_dim * embed_dim + embed_dim)
    mlp = (embed_dim * hidden_dim + hidden_dim) + (hidden_dim * embed_dim + embed_dim)
    head = embed_dim * n_classes + n_classes
    return embedding + tokens + n_blocks * (norm + attention + norm + mlp) + norm + head


class ViT(nn.Module):
    """A vision transformer: patches as tokens, a class token, positions, pre-norm blocks, a head.

    Book: unit 3, page `vit`.

    Args:
        image_shape: channels, height and width of the images.
        patch_size: number p of rows and of columns of a patch.
        embed_dim: features D of a token.
        n_heads: attention heads in each block; they divide D.
        n_blocks: number of blocks, each with an MLP of 4 D units.
        n_classes: number of classes.

    Raises:
        ValueError: patch_size does not divide height and width.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        patch_size: int,
        embed_dim: int,
        n_heads: int,
        n_blocks: int,
        n_classes: int,
    ) -> None:
        """Create the layers; they are ready for use in `forward`."""
        super().__init__()
        channels, height, width = image_shape
        if height % patch_size or width % patch_size:
            raise ValueError(f"patches of {patch_size} do not tile {height} × {width} pixels")
        n_patches = (height // patch_size) * (width // patch_size)
        self.patch_size = patch_size
        self.patch_embedding = nn.Linear(channels * patch_size**2, embed_dim)
        self.class_token = nn.Parameter(0.02 * torch.randn(1, 1, embed_dim))
        self.positions = nn.Parameter(0.02 * torch.randn(1, 1 + n_patches, embed_dim))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                embed_dim,
                n_heads,
                4 * embed_dim,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(n_blocks)
        )
        self.norm = nn.LayerNorm(embed_dim)
        self.head = nn.Linear(embed_dim, n_classes)

    def forward(self, X: Tensor) -> Tensor:
        """Compute the output pre-activations of a batch of images.

        The patches of each image, in the order of patchify; the patch embedding; the class token
        before them; the positions added to all tokens; the blocks one after the other; the norm;
        the head of the class token. The softmax belongs to the loss.

        Args:
            X: images, B × channels × height × width; not modified.

        Returns:
            Pre-activations, B × n_classes.
        """
        patches = functional.unfold(X, self.patch_size, stride=self.patch_size).transpose(1, 2)
        class_token = self.class_token.expand(len(X), -1, -1)
        tokens = torch.cat([class_token, self.patch_embedding(patches)], dim=1) + self.positions
        for block in self.blocks:
            tokens = block(tokens)
        return self.head(self.norm(tokens)[:, 0])


def fit(
    model: nn.Module,
    X: Tensor,
    y: Tensor,
    epochs: int,
    batch_size: int,
    eta_max: float,
    warmup: int,
    weight_decay: float = 0.05,
    generator: torch.Generator | None = None,
) -> list[float]:
    """Train a classifier by torch.optim.AdamW with a warm-up and a cosine schedule.

    With S steps in all, step s = 0 ... S - 1 has the learning rate eta_max · (s + 1) / warmup
    where s < warmup, and from then on eta_max / 2 · (1 + cos(π · (s - warmup) / (S - warmup))).
    The weight decay is AdamW's and holds for all parameters; the other settings of the optimizer
    are PyTorch's. The model is in train mode.

    Book: unit 3, page `vit_training`.

    Args:
        model: a module that maps a batch of inputs to pre-activations; its parameters change.
        X: inputs, N × ...; not modified.
        y: class of each example, (N,), int64; not modified.
        epochs: how often every example is used; in each epoch the order is drawn anew.
        batch_size: number of examples a batch; the last batch is smaller where it does not
            divide N.
        eta_max: the largest learning rate.
        warmup: number of steps of the climb, less than S; 0 means that there is none.
        weight_decay: AdamW's weight decay.
        generator: a CPU generator that the orders are drawn from with torch.randperm; None stands
            for the global one.

    Returns:
        For each epoch the mean of the N examples' cross-entropies, each seen before the step of
        its batch; floats.
    """
    steps = epochs * math.ceil(len(X) / batch_size)

    def share_of_eta_max(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        # PyTorch asks once more after the last step, where steps - warmup may be 0.
        return (1 + math.cos(math.pi * (step - warmup) / max(steps - warmup, 1))) / 2

    optimizer = torch.optim.AdamW(model.parameters(), lr=eta_max, weight_decay=weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share_of_eta_max)
    model.train()
    losses = []
    for _ in range(epochs):
        total = 0.0
        for rows in torch.randperm(len(X), generator=generator).split(batch_size):
            loss = functional.cross_entropy(model(X[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(rows)
        losses.append(total / len(X))
    return losses
