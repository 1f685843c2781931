"""Wrong values of the graded numbers of `training_convnets`, and correct ones in another form."""

import math

import numpy as np

from tests.wrong_answers import right_number, wrong_number

wrong_number("start_loss", math.log2(20), hint="not the one to base 2")
wrong_number("start_loss", 1.301, hint="not the one to base 10")
wrong_number("start_loss", 0.05, hint="probability of the right class")
wrong_number("start_loss", -2.996, hint="sign")
wrong_number("start_loss", 20, hint="its logarithm")
wrong_number("start_loss", 2.303, hint="ten classes")
wrong_number("start_loss", 0.0, hint="not certain")
wrong_number("start_loss", 0.95, hint="no cross-entropy")
right_number("start_loss", 2.996)
right_number("start_loss", np.log(20.0))

wrong_number("chance_top3", 15, hint="percent")
wrong_number("chance_top3", 1 / 20, hint="first guess")
wrong_number("chance_top3", 0.142625, hint="none is drawn twice")
wrong_number("chance_top3", 0.85, hint="all guesses miss")
wrong_number("chance_top3", 1 / 3, hint="there are twenty")
wrong_number("chance_top3", 0.3, hint="ten classes")
wrong_number("chance_top3", 0.25, hint="three guesses")
right_number("chance_top3", 3 / 20)
right_number("chance_top3", np.float32(0.15))

wrong_number("n_steps", 1584, hint="smaller batch of each epoch")
wrong_number("n_steps", 49, hint="one epoch")
wrong_number("n_steps", 1614, hint="round up in each of them")
wrong_number("n_steps", 1613.7, hint="whole")
wrong_number("n_steps", 161370, hint="not for an example")
wrong_number("n_steps", 33, hint="many steps")
right_number("n_steps", 49 * 33)
right_number("n_steps", np.int64(1617))

wrong_number("test_factor", 0.35, hint="drop rate")
wrong_number("test_factor", 1 / 0.65, hint="too large")
wrong_number("test_factor", 1, hint="inverted dropout")
wrong_number("test_factor", 1 / 0.35, hint="divides by the drop rate")
wrong_number("test_factor", 65, hint="percent")
wrong_number("test_factor", 0, hint="nothing is dropped")
right_number("test_factor", 0.65)
right_number("test_factor", 1 - 0.35)
