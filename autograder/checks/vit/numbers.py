"""Values of the graded numbers of `vit`, each by the formula behind it."""

import math

CHANNELS, HEIGHT, WIDTH, PATCH, DIM = 3, 96, 160, 16, 192
LARGE_DIM, N_CLASSES = 768, 37


def tokens(patch: int) -> int:
    """Patches of an image and the class token."""
    return (HEIGHT // patch) * (WIDTH // patch) + 1


EXPECTED: dict[str, float] = {
    # A patch tiles the image where it divides height and width, and so their greatest divisor.
    "n_patch_sizes": sum(math.gcd(HEIGHT, WIDTH) % p == 0 for p in range(1, HEIGHT + 1)),
    "n_tokens": tokens(PATCH),
    # Patch embedding with biases, class token, positions.
    "n_embedding": (CHANNELS * PATCH**2 + 1) * DIM + DIM + tokens(PATCH) * DIM,
    # Every token looks at every token.
    "scores_factor": (tokens(PATCH // 2) / tokens(PATCH)) ** 2,
    # All that is trained of a frozen model: weights and biases of the new head.
    "n_trained": (LARGE_DIM + 1) * N_CLASSES,
}
