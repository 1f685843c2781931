"""Answers to the tasks of `solutions.transformer`."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from solutions import transformer
from tests.wrong_answers import right, slip, wrong

# ---- SelfAttention -------------------------------------------------------------------------------


@right("SelfAttention")
class HeadStepByStep(nn.Module):
    def __init__(self, embed_dim: int, head_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim)
        self.key = nn.Linear(embed_dim, head_dim)
        self.value = nn.Linear(embed_dim, head_dim)
        self.proj = nn.Linear(head_dim, embed_dim)
        self.scale = head_dim**-0.5
        self.softmax = nn.Softmax(dim=-1)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        Q, K, V = (layer(X) for layer in (self.query, self.key, self.value))
        scores = torch.einsum("btd,bsd->bts", Q, K) * self.scale
        if mask is not None:
            scores = torch.where(mask, scores, float("-inf"))
        return self.proj(self.softmax(scores) @ V)


@right("SelfAttention")
class HeadOfOneImageAtATime(nn.Module):
    def __init__(self, embed_dim: int, head_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim)
        self.key = nn.Linear(embed_dim, head_dim)
        self.value = nn.Linear(embed_dim, head_dim)
        self.proj = nn.Linear(head_dim, embed_dim)

    def attend(self, scores: Tensor, V: Tensor) -> Tensor:
        return self.proj(torch.softmax(scores, 1) @ V)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        outputs = []
        for number, x in enumerate(X):
            scores = self.query(x) @ self.key(x).T / self.query.out_features**0.5
            if mask is not None:
                own = mask if mask.dim() == 2 else mask[number]
                scores = scores + torch.zeros(own.shape).masked_fill(own.logical_not(), -math.inf)
            outputs.append(self.attend(scores, self.value(x)))
        return torch.stack(outputs)


slip(
    transformer.SelfAttention,
    "head_scaled_by_the_tokens",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) / math.sqrt(X.shape[-1])"
        )
    },
    hint="not of a token",
)


slip(
    transformer.SelfAttention,
    "head_without_scale",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1)"
        )
    },
    hint="√d is missing",
)


slip(
    transformer.SelfAttention,
    "head_without_projection",
    {"return self.proj(scores.softmax(dim=-1) @ V)": "return scores.softmax(dim=-1) @ V"},
    hint="proj is missing",
)


slip(
    transformer.SelfAttention,
    "head_with_query_and_key_exchanged",
    {
        "Q, K, V = (self.query(X), self.key(X), self.value(X))": (
            "Q, K, V = (self.key(X), self.query(X), self.value(X))"
        )
    },
    hint="exchanged",
)


slip(
    transformer.SelfAttention,
    "head_over_the_queries",
    {
        "return self.proj(scores.softmax(dim=-1) @ V)": (
            "return self.proj(scores.softmax(dim=1) @ V)"
        )
    },
    hint="over the queries",
)


slip(
    transformer.SelfAttention,
    "head_with_the_mask_inverted",
    {
        "scores = scores.masked_fill(~mask, -torch.inf)": (
            "scores = scores.masked_fill(mask, -torch.inf)"
        )
    },
    hint="True in the mask means",
)


slip(
    transformer.SelfAttention,
    "head_masked_after_the_softmax",
    {
        "shape[-1])": ("shape[-1])\n        A = scores.softmax(dim=-1)"),
        (
            "scores = scores.masked_fill(~mask, -torch.inf)\n"
            "        return self.proj(scores.softmax(dim=-1)"
        ): ("A = A * mask\n        return self.proj(A"),
    },
    hint="the mask acts before the softmax",
)


@wrong("SelfAttention", hint="the mask is left out")
class HeadWithoutTheMask(nn.Module):
    def __init__(self, embed_dim: int, head_dim: int) -> None:
        super().__init__()
        self.query = nn.Linear(embed_dim, head_dim)
        self.key = nn.Linear(embed_dim, head_dim)
        self.value = nn.Linear(embed_dim, head_dim)
        self.proj = nn.Linear(head_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        Q, K, V = self.query(X), self.key(X), self.value(X)
        scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
        return self.proj(scores.softmax(dim=-1) @ V)


slip(
    transformer.SelfAttention,
    "head_with_keys_as_values",
    {
        "Q, K, V = (self.query(X), self.key(X), self.value(X))": (
            "Q, K, V = (self.query(X), self.key(X), self.key(X))"
        )
    },
    hint="the layer value is not used",
)


slip(
    transformer.SelfAttention,
    "head_of_the_queries_alone",
    {
        "Q, K, V = (self.query(X), self.key(X), self.value(X))": (
            "Q, K, V = (self.query(X), self.query(X), self.value(X))"
        )
    },
    hint="the layer key is not used",
)


slip(
    transformer.SelfAttention,
    "head_across_the_batch",
    {
        "-> Tensor:": (
            "-> Tensor:\n"
            "        n, n_tokens, embed_dim = X.shape\n"
            "        X = X.reshape(1, n * n_tokens, embed_dim)"
        ),
        (
            "if mask is not None:\n"
            "            scores = scores.masked_fill(~mask, -torch.inf)\n"
            "        return self.proj(scores.softmax(dim=-1) @ V"
        ): ("return self.proj(scores.softmax(dim=-1) @ V).reshape(n, n_tokens, embed_dim"),
    },
    hint="images of a batch",
)


slip(
    transformer.SelfAttention,
    "head_with_residual",
    {
        "return self.proj(scores.softmax(dim=-1) @ V)": (
            "return X + self.proj(scores.softmax(dim=-1) @ V)"
        )
    },
    hint="belongs to the block",
)


slip(
    transformer.SelfAttention,
    "head_squeezed",
    {
        "return self.proj(scores.softmax(dim=-1) @ V)": (
            "return self.proj(scores.softmax(dim=-1) @ V).squeeze(0)"
        )
    },
    hint="squeeze",
)


slip(
    transformer.SelfAttention,
    "head_that_cuts_the_graph",
    {
        "return self.proj(scores.softmax(dim=-1)": (
            "A = scores.softmax(dim=-1).detach()\n        return self.proj(A"
        )
    },
    hint="carry the graph",
)


slip(
    transformer.SelfAttention,
    "head_that_overflows",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1]": (
            "exponentials = (Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])).exp("
        ),
        (
            "scores = scores.masked_fill(~mask, -torch.inf)\n"
            "        return self.proj(scores.softmax(dim=-1"
        ): (
            "exponentials = exponentials * mask\n"
            "        return self.proj(exponentials / exponentials.sum(dim=-1, keepdim=True"
        ),
    },
    hint="subtract the largest score",
)


@wrong("SelfAttention", hint="keep the names")
class HeadWithOtherNames(nn.Module):
    def __init__(self, embed_dim: int, head_dim: int) -> None:
        super().__init__()
        self.to_q = nn.Linear(embed_dim, head_dim)
        self.to_k = nn.Linear(embed_dim, head_dim)
        self.to_v = nn.Linear(embed_dim, head_dim)
        self.out = nn.Linear(head_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        Q, K, V = self.to_q(X), self.to_k(X), self.to_v(X)
        scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, -torch.inf)
        return self.out(scores.softmax(dim=-1) @ V)


# ---- MultiHeadSelfAttention ----------------------------------------------------------------------


@right("MultiHeadSelfAttention")
class HeadsByEinsum(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(f"{n_heads} heads cannot share {embed_dim} features equally")
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)
        self.head_dim = embed_dim // n_heads

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        n, n_tokens, _ = X.shape
        sizes = (n, n_tokens, self.n_heads, self.head_dim)
        Q, K, V = self.query(X).view(sizes), self.key(X).view(sizes), self.value(X).view(sizes)
        scores = torch.einsum("bthd,bshd->bhts", Q, K) / math.sqrt(self.head_dim)
        if mask is not None:
            if mask.dim() == 3:
                mask = mask[:, None]
            scores = scores.masked_fill(mask.logical_not(), float("-inf"))
        A = torch.softmax(scores, dim=-1)
        return self.proj(torch.einsum("bhts,bshd->bthd", A, V).flatten(2))


@right("MultiHeadSelfAttention")
class HeadsOneAfterTheOther(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(f"{n_heads} heads cannot share {embed_dim} features equally")
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        d = X.shape[2] // self.n_heads
        outputs = []
        for h in range(self.n_heads):
            own = slice(h * d, (h + 1) * d)
            Q, K, V = self.query(X)[..., own], self.key(X)[..., own], self.value(X)[..., own]
            scores = Q @ K.mT / d**0.5
            if mask is not None:
                scores = torch.where(mask, scores, -torch.inf)
            outputs.append(scores.softmax(-1) @ V)
        return self.proj(torch.cat(outputs, dim=-1))


@wrong("MultiHeadSelfAttention", hint="interleaved")
class HeadsOfInterleavedFeatures(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(f"{n_heads} heads cannot share {embed_dim} features equally")
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        n, n_tokens, embed_dim = X.shape
        Q, K, V = (
            layer(X).reshape(n, n_tokens, -1, self.n_heads).permute(0, 3, 1, 2)
            for layer in (self.query, self.key, self.value)
        )
        allowed = None if mask is None else mask.unsqueeze(-3)
        heads = functional.scaled_dot_product_attention(Q, K, V, attn_mask=allowed)
        return self.proj(heads.permute(0, 2, 3, 1).reshape(n, n_tokens, embed_dim))


slip(
    transformer.MultiHeadSelfAttention,
    "heads_joined_interleaved",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return self.proj(heads.permute(0, 2, 3, 1"
        )
    },
    hint="side by side",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_split_without_transpose",
    {
        (
            "n_tokens, self.n_heads, -1).transpose(1, 2) for layer in (self.query, "
            "self.key, self.value))\n"
            "        for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head"
        ): (
            "self.n_heads, n_tokens, -1) for layer in (self.query, self.key, self.value))\n"
            "        allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed"
        )
    },
    hint="mixes the tokens",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_joined_without_transpose",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2)"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return self.proj(heads"
        )
    },
    hint="before the heads are joined",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_without_transpose",
    {
        (
            ".transpose(1, 2) for layer in (self.query, self.key, self.value))\n"
            "        for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2)"
        ): (
            " for layer in (self.query, self.key, self.value))\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V)\n"
            "        return self.proj(heads"
        )
    },
    hint="each token attends to other tokens",
)


@wrong("MultiHeadSelfAttention", hint="a single head")
class OneHead(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        if embed_dim % n_heads:
            raise ValueError(f"{n_heads} heads cannot share {embed_dim} features equally")
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        Q, K, V = self.query(X), self.key(X), self.value(X)
        heads = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask)
        return self.proj(heads)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_scaled_by_the_tokens",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)"
        ): (
            "scores = Q @ K.transpose(-2, -1) / math.sqrt(X.shape[-1])\n"
            "        if mask is not None:\n"
            "            scores = scores.masked_fill(~mask.unsqueeze(-3), -torch.inf)\n"
            "        heads = scores.softmax(dim=-1) @ V"
        )
    },
    hint="not of a token",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_without_scale",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)"
        ): (
            "scores = Q @ K.transpose(-2, -1)\n"
            "        if mask is not None:\n"
            "            scores = scores.masked_fill(~mask.unsqueeze(-3), -torch.inf)\n"
            "        heads = scores.softmax(dim=-1) @ V"
        )
    },
    hint="√d is missing",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_that_compete",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)"
        ): (
            "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])\n"
            "        if mask is not None:\n"
            "            scores = scores.masked_fill(~mask.unsqueeze(-3), -torch.inf)\n"
            "        heads = scores.softmax(dim=1) @ V"
        )
    },
    hint="over the heads",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_without_projection",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2).reshape(n, n_tokens, embed_dim)"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return heads.transpose(1, 2).reshape(n, n_tokens, embed_dim"
        )
    },
    hint="proj is missing",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_with_the_mask_inverted",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head"
        ): (
            "allowed = None if mask is None else ~mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed"
        )
    },
    hint="True in the mask means",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_without_the_mask",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head"
        ): ("heads = functional.scaled_dot_product_attention(Q, K, V")
    },
    hint="the mask is left out",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_masked_without_a_dimension",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head"
        ): ("heads = functional.scaled_dot_product_attention(Q, K, V, attn_mask=mask")
    },
    hint="a dimension for the heads",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_in_reverse",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return self.proj(heads.flip(1)"
        )
    },
    hint="reverse order",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_averaged",
    {
        "n, n_tokens, embed_dim = X.shape": "n, n_tokens, _ = X.shape",
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2).reshape(n, n_tokens, embed_dim"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        mean = heads.mean(dim=1)\n"
            "        return self.proj(mean.repeat(1, 1, self.n_heads"
        ),
    },
    hint="side by side, and not averaged",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_squeezed",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads.transpose(1, 2).reshape(n, n_tokens, embed_dim)"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return self.proj(heads.transpose(1, 2).reshape(n, n_tokens, "
            "embed_dim)).squeeze("
        )
    },
    hint="squeeze",
)


slip(
    transformer.MultiHeadSelfAttention,
    "heads_that_cut_the_graph",
    {
        (
            "for_every_head = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=for_every_head)\n"
            "        return self.proj(heads"
        ): (
            "allowed = None if mask is None else mask.unsqueeze(-3)\n"
            "        heads = functional.scaled_dot_product_attention(Q, K, V, "
            "attn_mask=allowed)\n"
            "        return self.proj(heads.data"
        )
    },
    hint="carry the graph",
)


@wrong("MultiHeadSelfAttention", hint="raises ValueError")
class HeadsThatDoNotDivide(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query = nn.Linear(embed_dim, embed_dim)
        self.key = nn.Linear(embed_dim, embed_dim)
        self.value = nn.Linear(embed_dim, embed_dim)
        self.proj = nn.Linear(embed_dim, embed_dim)

    def forward(self, X: Tensor, mask: Tensor | None = None) -> Tensor:
        d = X.shape[2] // self.n_heads
        Q, K, V = (layer(X) for layer in (self.query, self.key, self.value))
        heads = torch.zeros_like(Q)
        for h in range(self.n_heads):
            own = slice(h * d, (h + 1) * d)
            heads[..., own] = functional.scaled_dot_product_attention(
                Q[..., own], K[..., own], V[..., own], attn_mask=mask
            )
        return self.proj(heads)


# ---- MLP -----------------------------------------------------------------------------------------


@right("MLP")
class MLPByTheErrorFunction(nn.Module):
    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)

    def forward(self, X: Tensor) -> Tensor:
        H = self.fc1(X)
        H = H * 0.5 * (1 + torch.erf(H / math.sqrt(2)))
        return self.fc2(H)


@right("MLP")
class MLPOfModules(nn.Module):
    def __init__(self, embed_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(embed_dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, embed_dim)
        self.act = nn.GELU()
        self.drop = nn.Dropout(0.0)

    def forward(self, X: Tensor) -> Tensor:
        return self.drop(self.fc2(self.act(self.fc1(X))))


slip(
    transformer.MLP,
    "mlp_with_re_l_u",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return self.fc2(functional.relu(self.fc1(X)))"
        )
    },
    hint="this is the ReLU",
)


slip(
    transformer.MLP,
    "mlp_with_tanh_g_e_l_u",
    {"self.fc1(X)))": "self.fc1(X), approximate='tanh'))"},
    hint="approximation by tanh",
)


slip(
    transformer.MLP,
    "mlp_with_sigmoid_g_e_l_u",
    {
        "return self.fc2(functional.gelu(self.fc1(X)": (
            "H = self.fc1(X)\n        return self.fc2(H * torch.sigmoid(1.702 * H"
        )
    },
    hint="approximation by the sigmoid",
)


slip(
    transformer.MLP,
    "mlp_with_si_l_u",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return self.fc2(functional.silu(self.fc1(X)))"
        )
    },
    hint="this is the SiLU",
)


slip(
    transformer.MLP,
    "mlp_that_is_linear",
    {"return self.fc2(functional.gelu(self.fc1(X)))": "return self.fc2(self.fc1(X))"},
    hint="two linear maps in a row",
)


slip(
    transformer.MLP,
    "mlp_with_g_e_l_u_at_the_end",
    {
        "self.fc2(functional.gelu(self.fc1(X": (
            "functional.gelu(self.fc2(functional.gelu(self.fc1(X)"
        )
    },
    hint="no activation after fc2",
)


slip(
    transformer.MLP,
    "mlp_with_g_e_l_u_at_the_wrong_place",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return functional.gelu(self.fc2(self.fc1(X)))"
        )
    },
    hint="between the two layers",
)


slip(
    transformer.MLP,
    "mlp_with_residual",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return X + self.fc2(functional.gelu(self.fc1(X)))"
        )
    },
    hint="belongs to the block",
)


slip(
    transformer.MLP,
    "mlp_with_distribution_alone",
    {
        "return self.fc2(functional.gelu(self.fc1(X": (
            "H = self.fc1(X)\n        return self.fc2(0.5 * (1 + torch.erf(H / math.sqrt(2)"
        )
    },
    hint="x times",
)


slip(
    transformer.MLP,
    "mlp_of_flat_tokens",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return self.fc2(functional.gelu(self.fc1(X.flatten(0, 1))))"
        )
    },
    hint="another shape",
)


slip(
    transformer.MLP,
    "mlp_with_dropout",
    {"gelu(self.fc1(X)": "dropout(functional.gelu(self.fc1(X)), 0.1"},
    hint="no dropout",
)


slip(
    transformer.MLP,
    "mlp_that_cuts_the_graph",
    {
        "return self.fc2(functional.gelu(self.fc1(X)))": (
            "return self.fc2(functional.gelu(self.fc1(X)).detach())"
        )
    },
    hint="carry the graph",
)


# ---- TransformerBlock ----------------------------------------------------------------------------


@right("TransformerBlock")
class BlockWithWeights(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = nn.MultiheadAttention(embed_dim, n_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, embed_dim)
        )

    def forward(self, X: Tensor) -> Tensor:
        Z = self.norm1(X)
        attended, _ = self.attention(Z, Z, Z, need_weights=True)
        X = X + attended
        return self.mlp(self.norm2(X)) + X


@right("TransformerBlock")
class BlockLayerByLayer(nn.Module):
    def __init__(self, embed_dim: int, n_heads: int, hidden_dim: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(embed_dim)
        self.attention = nn.MultiheadAttention(embed_dim, n_heads, batch_first=True)
        self.norm2 = nn.LayerNorm(embed_dim)
        self.mlp = nn.Sequential(
            nn.Linear(embed_dim, hidden_dim), nn.GELU(), nn.Linear(hidden_dim, embed_dim)
        )
        self.drop = nn.Dropout(0.0)

    def forward(self, X: Tensor) -> Tensor:
        normed = self.norm1(X)
        residual = X.clone()
        residual += self.drop(self.attention(query=normed, key=normed, value=normed)[0])
        hidden = self.norm2(residual)
        for layer in self.mlp:
            hidden = layer(hidden)
        return torch.add(residual, hidden)


slip(
    transformer.TransformerBlock,
    "block_post_norm",
    {
        (
            "Z = self.norm1(X)\n"
            "        X = X + self.attention(Z, Z, Z, need_weights=False)[0]\n"
            "        return X + self.mlp(self.norm2"
        ): (
            "X = self.norm1(X + self.attention(X, X, X, need_weights=False)[0])\n"
            "        return self.norm2(X + self.mlp"
        )
    },
    hint="post-norm",
)


slip(
    transformer.TransformerBlock,
    "block_norm_of_the_branch",
    {
        (
            "Z = self.norm1(X)\n"
            "        X = X + self.attention(Z, Z, Z, need_weights=False)[0]\n"
            "        return X + self.mlp(self.norm2"
        ): (
            "X = X + self.norm1(self.attention(X, X, X, need_weights=False)[0])\n"
            "        return X + self.norm2(self.mlp"
        )
    },
    hint="normalises what the attention gives",
)


slip(
    transformer.TransformerBlock,
    "block_without_first_residual",
    {
        "X = X + self.attention(Z, Z, Z, need_weights=False)[0]": (
            "X = self.attention(Z, Z, Z, need_weights=False)[0]"
        )
    },
    hint="the first residual is missing",
)


slip(
    transformer.TransformerBlock,
    "block_without_second_residual",
    {("Z, need_weights=False)[0]\n        return X +"): ("Z)[0]\n        return")},
    hint="the second residual is missing",
)


slip(
    transformer.TransformerBlock,
    "block_without_residuals",
    {
        ("X + self.attention(Z, Z, Z, need_weights=False)[0]\n        return X +"): (
            "self.attention(Z, Z, Z)[0]\n        return"
        )
    },
    hint="both residuals are missing",
)


slip(
    transformer.TransformerBlock,
    "block_residual_of_the_normed",
    {
        "X = X + self.attention(Z, Z, Z, need_weights=False)[0]": (
            "X = Z + self.attention(Z, Z, Z, need_weights=False)[0]"
        )
    },
    hint="past the normalisation",
)


slip(
    transformer.TransformerBlock,
    "block_with_one_norm",
    {
        ("Z, need_weights=False)[0]\n        return X + self.mlp(self.norm2"): (
            "Z)[0]\n        return X + self.mlp(self.norm1"
        )
    },
    hint="norm1 is used twice",
)


slip(
    transformer.TransformerBlock,
    "block_without_second_norm",
    {
        ("Z, need_weights=False)[0]\n        return X + self.mlp(self.norm2(X)"): (
            "Z)[0]\n        return X + self.mlp(X"
        )
    },
    hint="norm2 is missing",
)


slip(
    transformer.TransformerBlock,
    "block_without_first_norm",
    {
        ("Z = self.norm1(X)\n        X = X + self.attention(Z, Z, Z"): (
            "X = X + self.attention(X, X, X"
        )
    },
    hint="norm1 is missing",
)


slip(
    transformer.TransformerBlock,
    "block_with_normed_queries_alone",
    {
        ("Z = self.norm1(X)\n        X = X + self.attention(Z, Z, Z"): (
            "X = X + self.attention(self.norm1(X), X, X"
        )
    },
    hint="queries, keys and values",
)


slip(
    transformer.TransformerBlock,
    "block_in_parallel",
    {
        ("X = X + self.attention(Z, Z, Z, need_weights=False)[0]\n        return X"): (
            "return X + self.attention(Z, Z, Z)[0]"
        )
    },
    hint="one after the other",
)


slip(
    transformer.TransformerBlock,
    "block_mlp_first",
    {
        "-> Tensor:": ("-> Tensor:\n        X = X + self.mlp(self.norm2(X))"),
        (
            "X = X + self.attention(Z, Z, Z, need_weights=False)[0]\n"
            "        return X + self.mlp(self.norm2(X))"
        ): ("return X + self.attention(Z, Z, Z, need_weights=False)[0]"),
    },
    hint="comes first",
)


slip(
    transformer.TransformerBlock,
    "block_with_the_tuple",
    {"X = X + self.attention(Z, Z, Z, need_weights=False)[0]": ("X = X + self.attention(Z, Z, Z)")},
    hint="returns two things",
)


slip(
    transformer.TransformerBlock,
    "block_across_the_batch",
    {
        ("\n        X = X + self.attention(Z, Z, Z, need_weights=False)[0]"): (
            ".transpose(0, 1)\n"
            "        X = X + self.attention(Z, Z, Z, need_weights=False)[0].transpose(0, 1)"
        )
    },
    hint="batch_first",
)


slip(
    transformer.TransformerBlock,
    "block_that_cuts_the_graph",
    {
        "X = X + self.attention(Z, Z, Z, need_weights=False)[0]": (
            "X = X + self.attention(Z, Z, Z)[0].detach()"
        )
    },
    hint="carry the graph",
)


slip(
    transformer.TransformerBlock,
    "block_in_place",
    {
        "X = X + self.attention(Z, Z, Z, need_weights=False)[0]": (
            "X += self.attention(Z, Z, Z, need_weights=False)[0]"
        )
    },
    hint="belongs to the caller",
)


slip(
    transformer.TransformerBlock,
    "block_squeezed",
    {
        ("Z, need_weights=False)[0]\n        return X + self.mlp(self.norm2(X)"): (
            "Z)[0]\n        return (X + self.mlp(self.norm2(X))).squeeze(0"
        )
    },
    hint="squeeze",
)
