"""The parts of a transformer: self-attention with one head and with several, the MLP, the block."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class SelfAttention(nn.Module):
    """One head of self-attention: every token asks all tokens, itself included.

    The library's attention (functional.scaled_dot_product_attention, nn.MultiheadAttention and
    their like) is not allowed here: this task asks for the formula. A function of your own is
    welcome.

    Book: unit 3, page `attention`.

    Args:
        embed_dim: number of features D of a token.
        head_dim: number of features d of queries, keys and values.
    """

    def __init__(self, embed_dim: int, head_dim: int) -> None:
        """Create the four linear maps; they are ready for use in `forward`."""
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim)
        self.key = nn.Linear(embed_dim, head_dim)
        self.value = nn.Linear(embed_dim, head_dim)
        self.proj = nn.Linear(head_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        """Compute queries, keys and values of the tokens, attend, and project the result.

        Args:
            X: tokens, B × T × D; not modified.
            mask: bool, T × T or B × T × T, True where token t may attend to token s. None stands
                for a mask that is True everywhere. In every row at least one token is allowed.

        Returns:
            B × T × D.
        """
        Q, K, V = self.query(X), self.key(X), self.value(X)
        scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return self.proj(scores.softmax(dim=-1) @ V)


class MultiHeadSelfAttention(nn.Module):
    """Self-attention with several heads, each on its own share of the features.

    Head h uses the features h · d to (h + 1) · d - 1 of the queries, keys and values, where
    d = embed_dim / n_heads. The outputs of the heads stand side by side in that order and go
    through `proj`. functional.scaled_dot_product_attention is allowed here; nn.MultiheadAttention
    and its like, which would do the whole task, are not.

    Book: unit 3, page `multi_head`.

    Args:
        embed_dim: number of features D of a token.
        n_heads: number of heads.

    Raises:
        ValueError: n_heads does not divide embed_dim.
    """

    def __init__(self, embed_dim: int, n_heads: int) -> None:
        """Create the four linear maps; they are ready for use in `forward`."""
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(f"{n_heads} heads cannot share {embed_dim} features equally")
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend in each head by itself, put the heads side by side, and project.

        Args:
            X: tokens, B × T × D; not modified.
            mask: bool, T × T or B × T × T, True where token t may attend to token s, in every head.
                None stands for a mask that is True everywhere. In every row at least one token is
                allowed.

        Returns:
            B × T × D.
        """
        n, n_tokens, embed_dim = X.shape
        Q, K, V = (
            layer(X).reshape(n, n_tokens, self.n_heads, -1).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        for_every_head = None if mask is None else mask.unsqueeze(-3)
        heads = functional.scaled_dot_product_attention(Q, K, V, attn_mask=for_every_head)
        return self.proj(heads.transpose(1, 2).reshape(n, n_tokens, embed_dim))


class MLP(nn.Module):
    """Two linear layers with a GELU between them, for each token by itself.

    The GELU is the exact one, x · Φ(x) with the distribution function Φ of the standard normal.

    Book: unit 3, page `block`.

    Args:
        embed_dim: number of features D of a token.
        hidden_dim: number of units between the two layers.
    """

    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        """Create the two layers; they are ready for use in `forward`."""
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, X: Tensor) -> Tensor:
        """Compute fc2(GELU(fc1(X))).

        Args:
            X: tokens, B × T × D; not modified.

        Returns:
            B × T × D.
        """
        return self.fc2(functional.gelu(self.fc1(X)))


class TransformerBlock(nn.Module):
    """A pre-norm transformer block: attention and MLP, each normalised before and added to X.

    nn.TransformerEncoderLayer and its like, which would do the whole task, are not allowed here.

    Book: unit 3, page `block`.

    Args:
        embed_dim: number of features D of a token.
        n_heads: number of heads of the attention; it divides embed_dim.
        hidden_dim: number of units between the two layers of the MLP.
    """

    def __init__(self, embed_dim: int, n_heads: int, hidden_dim: int) -> None:
        """Create the parts, all of them PyTorch's; they are ready for use in `forward`."""
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = nn.MultiheadAttention(embed_dim, n_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, embed_dim)
        )

    def forward(self, X: Tensor) -> Tensor:
        """Add to X the attention of norm1(X), and to the sum the mlp of its norm2.

        Args:
            X: tokens, B × T × D; not modified.

        Returns:
            B × T × D.
        """
        Z = self.norm1(X)
        X = X + self.attention(Z, Z, Z, need_weights=False)[0]
        return X + self.mlp(self.norm2(X))
