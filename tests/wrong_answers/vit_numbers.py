"""Wrong values of the graded numbers of `vit`, and correct ones in another form."""

import math

import numpy as np

from tests.wrong_answers import right_number, wrong_number

wrong_number("n_patch_sizes", 12, hint="height and width")
wrong_number("n_patch_sizes", 5, hint="one pixel")
wrong_number("n_patch_sizes", 96, hint="leaves pixels over")
wrong_number("n_patch_sizes", 32, hint="largest patch size")
wrong_number("n_patch_sizes", 4, hint="both 1 and")
right_number("n_patch_sizes", 6)
right_number("n_patch_sizes", len([p for p in range(1, 97) if 96 % p == 0 and 160 % p == 0]))

wrong_number("n_tokens", 60, hint="class token is missing")
wrong_number("n_tokens", 101, hint="square image")
wrong_number("n_tokens", 37, hint="smaller side")
wrong_number("n_tokens", 15361, hint="not a pixel")
wrong_number("n_tokens", 181, hint="not three")
wrong_number("n_tokens", 81 * 145 + 1, hint="do not overlap")
wrong_number("n_tokens", 17, hint="multiplied, not added")
right_number("n_tokens", 61)
right_number("n_tokens", np.int64(6 * 10 + 1))

wrong_number("n_embedding", 159360, hint="each of them")
wrong_number("n_embedding", 147648, hint="class token and positions are learned")
wrong_number("n_embedding", 147840, hint="positions are missing")
wrong_number("n_embedding", 158976, hint="and its position are missing")
wrong_number("n_embedding", 159168, hint="two of three")
wrong_number("n_embedding", 61248, hint="all channels")
wrong_number("n_embedding", 159552 + 59 * 147648, hint="shared")
wrong_number("n_embedding", 11904, hint="positions alone")
right_number("n_embedding", 159552)
right_number("n_embedding", 769 * 192 + 192 + 61 * 192)

wrong_number("scores_factor", 241 / 61, hint="number of scores is the square")
wrong_number("scores_factor", 16, hint="does not double")
wrong_number("scores_factor", (121 / 61) ** 2, hint="in two directions")
wrong_number("scores_factor", 1, hint="not their number")
wrong_number("scores_factor", 4, hint="patches alone")
wrong_number("scores_factor", 2, hint="fourth power")
wrong_number("scores_factor", (61 / 241) ** 2, hint="other way round")
wrong_number("scores_factor", 241**2, hint="by which factor")
right_number("scores_factor", 241**2 / 61**2)
right_number("scores_factor", 15.609)
right_number("scores_factor", math.pow(241 / 61, 2))

wrong_number("n_trained", 28416, hint="biases")
wrong_number("n_trained", 769000, hint="old head")
wrong_number("n_trained", 86567656, hint="all parameters of ViT-B/16")
wrong_number("n_trained", 85827109, hint="with the new head")
wrong_number("n_trained", 85798656, hint="frozen parameters")
wrong_number("n_trained", 29184, hint="one bias for each class")
wrong_number("n_trained", 5597989, hint="197 tokens")
wrong_number("n_trained", 37, hint="biases alone")
right_number("n_trained", 28453)
right_number("n_trained", (768 + 1) * 37)
