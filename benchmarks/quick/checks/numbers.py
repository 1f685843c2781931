"""The graded number of `quick`."""

N_X, N_H, N_Y = 20, 30, 10

EXPECTED: dict[str, float] = {"n_weights": N_X * N_H + N_H * N_Y}
