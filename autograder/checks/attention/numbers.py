"""Values of the graded numbers of `attention`, each by the formula behind it.

The sheet's network: 7 blocks on 145 tokens of 80 features, 5 heads, 240 hidden units; an image of
twice the side has 577 tokens.
"""

N_TOKENS, N_TOKENS_LARGE = 145, 577
EMBED_DIM, N_HEADS, HIDDEN_DIM, N_BLOCKS = 80, 5, 240, 7

# Queries, keys, values and the projection, each a matrix with a bias.
ATTENTION = 4 * (EMBED_DIM * EMBED_DIM + EMBED_DIM)
NORMS = 2 * 2 * EMBED_DIM
MLP = EMBED_DIM * HIDDEN_DIM + HIDDEN_DIM + HIDDEN_DIM * EMBED_DIM + EMBED_DIM

EXPECTED: dict[str, float] = {
    "n_attention_parameters": ATTENTION,
    "n_block_parameters": ATTENTION + NORMS + MLP,
    # Each head of each block has a weight for each pair of tokens.
    "n_map_entries": N_BLOCKS * N_HEADS * N_TOKENS**2,
    # Each score is a sum of D / n_heads products, and there are n_heads maps of scores.
    "n_score_products": N_TOKENS**2 * EMBED_DIM,
    # Dividing by √d_k changes the scores and not their number.
    "map_growth": (N_TOKENS_LARGE / N_TOKENS) ** 2,
}
