"""Answers to the tasks of `solutions.attention`."""

import math

import torch
from torch import Tensor

from solutions import attention
from tests.wrong_answers import right, slip, wrong

# ---- attention_weights --------------------------------------------------------------------------


@right("attention_weights")
def weights_step_by_step(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = torch.einsum("...td,...sd->...ts", Q, K) * Q.size(-1) ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, torch.full_like(scores, float("-inf")))
    exponentials = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
    return exponentials / exponentials.sum(-1, True)


@right("attention_weights")
def weights_by_log_and_a_large_negative_number(
    Q: Tensor, K: Tensor, mask: Tensor | None = None
) -> Tensor:
    scores = (Q / math.sqrt(K.shape[-1])) @ K.mT
    if mask is not None:
        scores = scores + torch.zeros(mask.shape).masked_fill(mask.logical_not(), -1e9)
    return (scores - torch.logsumexp(scores, dim=-1, keepdim=True)).exp()


slip(
    attention.attention_weights,
    "weights_without_scale",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1)"
        )
    },
    hint="√d_k is missing",
)


slip(
    attention.attention_weights,
    "weights_divided_by_d",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) / Q.shape[-1]"
        )
    },
    hint="not by d_k itself",
)


slip(
    attention.attention_weights,
    "weights_times_root",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) * math.sqrt(Q.shape[-1])"
        )
    },
    hint="here they are multiplied",
)


slip(
    attention.attention_weights,
    "weights_by_the_number_of_keys",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) / math.sqrt(K.shape[-2])"
        )
    },
    hint="not the number of keys",
)


slip(
    attention.attention_weights,
    "weights_normalised_over_the_queries",
    {"return scores.softmax(dim=-1)": "return scores.softmax(dim=-2)"},
    hint="over the queries",
)


slip(
    attention.attention_weights,
    "weights_normalised_together",
    {"softmax(dim=-1": "flatten(-2).softmax(dim=-1).reshape(scores.shape"},
    hint="each row has a softmax of its own",
)


slip(
    attention.attention_weights,
    "weights_that_are_scores",
    {("-torch.inf)\n    return scores.softmax(dim=-1)"): ("0)\n    return scores")},
    hint="no softmax",
)


slip(
    attention.attention_weights,
    "weights_by_sigmoid",
    {"return scores.softmax(dim=-1)": "return scores.sigmoid()"},
    hint="sigmoid",
)


slip(
    attention.attention_weights,
    "weights_with_the_mask_inverted",
    {
        "scores = scores.masked_fill(~mask, -torch.inf)": (
            "scores = scores.masked_fill(mask, -torch.inf)"
        )
    },
    hint="True in the mask means",
)


slip(
    attention.attention_weights,
    "weights_with_a_large_number_added_where_allowed",
    {"scores = scores.masked_fill(~mask, -torch.inf)": ("scores = scores + mask * -1000000000.0")},
    hint="True in the mask means",
)


@wrong("attention_weights", hint="the mask is left out")
def weights_without_the_mask(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    return scores.softmax(dim=-1)


@wrong("attention_weights", hint="the mask acts before the softmax")
def weights_masked_after_the_softmax(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = scores.softmax(dim=-1)
    return A if mask is None else A * mask


@wrong("attention_weights", hint="the mask acts before the softmax")
def weights_masked_late_and_divided_again(
    Q: Tensor, K: Tensor, mask: Tensor | None = None
) -> Tensor:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = scores.softmax(dim=-1)
    if mask is not None:
        A = A * mask
        A = A / A.sum(dim=-1, keepdim=True)
    return A


slip(
    attention.attention_weights,
    "weights_with_scores_set_to_zero",
    {"scores = scores.masked_fill(~mask, -torch.inf)": "scores = scores * mask"},
    hint="a score of 0 is a score like any other",
)


slip(
    attention.attention_weights,
    "weights_with_the_mask_added",
    {"scores = scores.masked_fill(~mask, -torch.inf)": "scores = scores + mask"},
    hint="adding the mask itself",
)


slip(
    attention.attention_weights,
    "weights_with_infinity_times_the_mask",
    {"scores = scores.masked_fill(~mask, -torch.inf)": ("scores = scores + ~mask * -torch.inf")},
    hint="nan comes of 0 times infinity",
)


slip(
    attention.attention_weights,
    "weights_with_a_number_that_is_not_large",
    {
        "scores = scores.masked_fill(~mask, -torch.inf)": (
            "scores = scores.masked_fill(~mask, -20.0)"
        )
    },
    hint="exactly 0",
)


@wrong("attention_weights", hint="subtract the largest score")
def weights_that_overflow(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    exponentials = (Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])).exp()
    if mask is not None:
        exponentials = exponentials * mask
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


slip(
    attention.attention_weights,
    "weights_for_three_dimensions_alone",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(1, 2) / math.sqrt(Q.shape[-1])"
        )
    },
    hint="any number of leading dimensions",
)


slip(
    attention.attention_weights,
    "weights_squeezed",
    {"return scores.softmax(dim=-1)": "return scores.softmax(dim=-1).squeeze()"},
    hint="squeeze",
)


slip(
    attention.attention_weights,
    "weights_scaled_in_place",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1]": (
            "Q /= math.sqrt(Q.shape[-1])\n    scores = Q @ K.transpose(-2, -1"
        )
    },
    hint="belongs to the caller",
)


@wrong("attention_weights", hint="transposed")
def weights_of_the_keys(Q: Tensor, K: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = K @ Q.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask.transpose(-2, -1), -torch.inf)
    return scores.softmax(dim=-1)


# ---- scaled_dot_product_attention ---------------------------------------------------------------


@right("scaled_dot_product_attention")
def attention_by_einsum(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> Tensor:
    scores = torch.einsum("...td,...sd->...ts", Q, K) / Q.shape[-1] ** 0.5
    if mask is not None:
        scores[~mask.expand_as(scores)] = -float("inf")
    return torch.einsum("...ts,...sv->...tv", torch.softmax(scores, -1), V)


@right("scaled_dot_product_attention")
def attention_divided_at_the_end(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    scale = 1 / math.sqrt(Q.shape[-1])
    scores = torch.matmul(Q * scale, K.swapaxes(-1, -2))
    if mask is not None:
        scores = scores.masked_fill(mask == 0, -1e9)
    weights = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return torch.matmul(weights, V) / weights.sum(dim=-1, keepdim=True)


slip(
    attention.scaled_dot_product_attention,
    "attention_without_scale",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1)"
        )
    },
    hint="√d_k is missing",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_with_the_size_of_a_value",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) / math.sqrt(V.shape[-1])"
        )
    },
    hint="not of a value",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_divided_by_d",
    {
        "scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])": (
            "scores = Q @ K.transpose(-2, -1) / Q.shape[-1]"
        )
    },
    hint="not by d_k itself",
)


@wrong("scaled_dot_product_attention", hint="before the softmax, not after")
def attention_scaled_after_the_softmax(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    scores = Q @ K.transpose(-2, -1)
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=-1) / math.sqrt(Q.shape[-1]) @ V


slip(
    attention.scaled_dot_product_attention,
    "attention_over_the_queries",
    {"return scores.softmax(dim=-1) @ V": "return scores.softmax(dim=-2) @ V"},
    hint="over the queries",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_that_is_linear",
    {("-torch.inf)\n    return scores.softmax(dim=-1)"): ("0)\n    return scores")},
    hint="no softmax",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_with_the_mask_inverted",
    {
        "scores = scores.masked_fill(~mask, -torch.inf)": (
            "scores = scores.masked_fill(mask, -torch.inf)"
        )
    },
    hint="True in the mask means",
)


@wrong("scaled_dot_product_attention", hint="the mask acts before the softmax")
def attention_masked_after_the_softmax(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = scores.softmax(dim=-1)
    return (A if mask is None else A.masked_fill(~mask, 0)) @ V


slip(
    attention.scaled_dot_product_attention,
    "attention_with_scores_set_to_zero",
    {"scores = scores.masked_fill(~mask, -torch.inf)": ("scores = scores.masked_fill(~mask, 0)")},
    hint="a score of 0 is a score like any other",
)


@wrong("scaled_dot_product_attention", hint="the mask is left out")
def attention_without_the_mask(
    Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None
) -> Tensor:
    return (Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])).softmax(dim=-1) @ V


slip(
    attention.scaled_dot_product_attention,
    "attention_with_columns_of_weights",
    {"return scores.softmax(dim=-1) @ V": ("return scores.softmax(dim=-1).transpose(-2, -1) @ V")},
    hint="a row of weights belongs to a query",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_to_the_keys",
    {"return scores.softmax(dim=-1) @ V": "return scores.softmax(dim=-1) @ K"},
    hint="the values",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_with_its_weights",
    {
        "-> Tensor:": "-> tuple[Tensor, Tensor]:",
        "return scores.softmax(dim=-1) @ V": ("A = scores.softmax(dim=-1)\n    return (A @ V, A)"),
    },
    hint="return the output alone",
)


@wrong("scaled_dot_product_attention", hint="subtract the largest score")
def attention_that_overflows(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> Tensor:
    exponentials = (Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])).exp()
    if mask is not None:
        exponentials = exponentials * mask
    return exponentials / exponentials.sum(dim=-1, keepdim=True) @ V


slip(
    attention.scaled_dot_product_attention,
    "attention_squeezed",
    {"return scores.softmax(dim=-1) @ V": "return (scores.softmax(dim=-1) @ V).squeeze(0)"},
    hint="squeeze",
)


slip(
    attention.scaled_dot_product_attention,
    "attention_by_batched_products",
    {
        "Q @ K.transpose(-2, -1": "torch.bmm(Q, K.transpose(1, 2)",
        "return scores.softmax(dim=-1) @ V": "return torch.bmm(scores.softmax(dim=-1), V)",
    },
    hint="any number of leading dimensions",
)


# ---- softmax_backward ---------------------------------------------------------------------------


@right("softmax_backward")
def softmax_gradient_by_the_jacobian(upstream: Tensor, A: Tensor) -> Tensor:
    jacobian = torch.diag_embed(A) - A[..., :, None] * A[..., None, :]
    return (jacobian @ upstream[..., None])[..., 0]


@right("softmax_backward")
def softmax_gradient_in_two_terms(upstream: Tensor, A: Tensor) -> Tensor:
    product = upstream * A
    return product - A * product.sum(-1)[..., None]


@wrong("softmax_backward", hint="every score moves every weight of its row")
def softmax_gradient_of_the_diagonal(upstream: Tensor, A: Tensor) -> Tensor:
    return upstream * A * (1 - A)


@wrong("softmax_backward", hint="the denominator")
def softmax_gradient_without_the_denominator(upstream: Tensor, A: Tensor) -> Tensor:
    return upstream * A


slip(
    attention.softmax_backward,
    "softmax_gradient_over_the_columns",
    {"1, keepdim": "2, keepdim"},
    hint="over the last dimension",
)


slip(
    attention.softmax_backward,
    "softmax_gradient_over_everything",
    {"dim=-1, keepdim=True": ""},
    hint="the rows are independent",
)


slip(
    attention.softmax_backward,
    "softmax_gradient_without_keepdim",
    {"1, keepdim=True": "1"},
    hint="keepdim",
)


@wrong("softmax_backward", hint="the sign is wrong")
def softmax_gradient_with_the_wrong_sign(upstream: Tensor, A: Tensor) -> Tensor:
    return A * ((upstream * A).sum(dim=-1, keepdim=True) - upstream)


slip(
    attention.softmax_backward,
    "softmax_gradient_with_a_plus",
    {"- (upstream": "+ (upstream"},
    hint="is subtracted",
)


@wrong("softmax_backward", hint="the factor A")
def softmax_gradient_without_its_factor(upstream: Tensor, A: Tensor) -> Tensor:
    return upstream - (upstream * A).sum(dim=-1, keepdim=True)


slip(
    attention.softmax_backward,
    "softmax_gradient_with_a_plain_sum",
    {"(upstream * A)": "upstream"},
    hint="weighted by A",
)


slip(
    attention.softmax_backward,
    "softmax_gradient_with_a_mean",
    {"sum(dim=-1": "mean(dim=-1"},
    hint="not a mean",
)


slip(
    attention.softmax_backward,
    "softmax_gradient_of_the_softmax_of_a",
    {"-> Tensor:": ("-> Tensor:\n    A = A.softmax(dim=-1)")},
    hint="A is the output of the softmax already",
)


@wrong("softmax_backward", hint="belongs to the caller")
def softmax_gradient_in_place(upstream: Tensor, A: Tensor) -> Tensor:
    upstream -= (upstream * A).sum(dim=-1, keepdim=True)
    return A * upstream


@wrong("softmax_backward", hint="automatic differentiation is off")
def softmax_gradient_by_autograd(upstream: Tensor, A: Tensor) -> Tensor | None:
    scores = A.log().requires_grad_()
    scores.softmax(dim=-1).backward(upstream)
    return scores.grad


# ---- attention_backward -------------------------------------------------------------------------


@right("attention_backward")
def attention_gradient_by_einsum(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = Q.shape[-1] ** -0.5
    A = torch.softmax(torch.einsum("...td,...sd->...ts", Q, K) * scale, dim=-1)
    Y = torch.einsum("...ts,...sv->...tv", A, V)
    dA = torch.einsum("...tv,...sv->...ts", upstream, V)
    d_scores = scale * A * (dA - (upstream * Y).sum(dim=-1, keepdim=True))
    dQ = torch.einsum("...ts,...sd->...td", d_scores, K)
    dK = torch.einsum("...ts,...td->...sd", d_scores, Q)
    return dQ, dK, torch.einsum("...ts,...tv->...sv", A, upstream)


@right("attention_backward")
def attention_gradient_as_a_list(upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor) -> list[Tensor]:
    root = math.sqrt(Q.shape[-1])
    A = torch.softmax(Q @ K.mT / root, dim=-1)
    dA = upstream @ V.mT
    jacobian = torch.diag_embed(A) - A.unsqueeze(-1) * A.unsqueeze(-2)
    d_scores = (jacobian @ dA.unsqueeze(-1)).squeeze(-1) / root
    return [d_scores @ K, d_scores.mT @ Q, A.mT @ upstream]


@wrong("attention_backward", hint="the factor 1/√d_k of the scores is missing in dQ")
def attention_gradient_without_the_scale(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    A = (Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="the factor 1/√d_k of the scores is missing in dK")
def attention_gradient_with_the_scale_in_dq_alone(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return scale * d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="the scores of the forward pass are divided by √d_k")
def attention_gradient_of_attention_without_scale(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    A = (Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="the way back through the softmax is missing")
def attention_gradient_without_the_softmax(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    d_scores = scale * upstream @ V.transpose(-2, -1)
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="every score moves every weight of its row")
def attention_gradient_of_the_diagonal(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    d_scores = scale * A * (1 - A) * (upstream @ V.transpose(-2, -1))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="the denominator")
def attention_gradient_without_the_denominator(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    d_scores = scale * A * (upstream @ V.transpose(-2, -1))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="over the last dimension")
def attention_gradient_over_the_columns(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-2, keepdim=True))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="in the order dQ, dK, dV")
def attention_gradient_with_the_values_first(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return A.transpose(-2, -1) @ upstream, d_scores @ K, d_scores.transpose(-2, -1) @ Q


@wrong("attention_backward", hint="d_scores enters dK transposed")
def attention_gradient_with_scores_not_transposed(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return d_scores @ K, d_scores @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="A enters dV transposed")
def attention_gradient_with_weights_not_transposed(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return scale * d_scores @ K, d_scores.transpose(-2, -1) @ Q, A @ upstream


@wrong("attention_backward", hint="these are the values themselves")
def attention_gradient_of_the_values_without_weights(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    return d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ (A @ V)


@wrong("attention_backward", hint="a mean over the batch is already in upstream")
def attention_gradient_divided_by_the_batch(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    dQ, dK, dV = d_scores @ K, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream
    return dQ / len(Q), dK / len(Q), dV / len(Q)


@wrong("attention_backward", hint="belongs to the caller")
def attention_gradient_in_place(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    Q *= 1 / math.sqrt(Q.shape[-1])
    A = (Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    d_scores = A * (dA - (dA * A).sum(dim=-1, keepdim=True))
    dQ = d_scores @ K / math.sqrt(Q.shape[-1])
    return dQ, d_scores.transpose(-2, -1) @ Q, A.transpose(-2, -1) @ upstream


@wrong("attention_backward", hint="three gradients")
def attention_gradient_of_the_queries_alone(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> Tensor:
    scale = 1 / math.sqrt(Q.shape[-1])
    A = (scale * Q @ K.transpose(-2, -1)).softmax(dim=-1)
    dA = upstream @ V.transpose(-2, -1)
    return scale * A * (dA - (dA * A).sum(dim=-1, keepdim=True)) @ K


@wrong("attention_backward", hint="automatic differentiation is off")
def attention_gradient_by_autograd(
    upstream: Tensor, Q: Tensor, K: Tensor, V: Tensor
) -> tuple[Tensor | None, ...]:
    leaves = [value.clone().requires_grad_() for value in (Q, K, V)]
    scores = leaves[0] @ leaves[1].transpose(-2, -1) / math.sqrt(Q.shape[-1])
    (scores.softmax(dim=-1) @ leaves[2]).backward(upstream)
    return tuple(leaf.grad for leaf in leaves)
