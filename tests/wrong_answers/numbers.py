"""Wrong values of the graded numbers, and correct ones in another form."""

import math

import numpy as np

from tests.wrong_answers import right_number, wrong_number

wrong_number("initial_loss", math.log2(7), hint="natural logarithm")
wrong_number("initial_loss", 0.8451, hint="natural logarithm")
wrong_number("initial_loss", 1 / 7, hint="probability of the target")
wrong_number("initial_loss", 0.0, hint="not certain")
wrong_number("initial_loss", -1.946, hint="sign")
wrong_number("initial_loss", 7.0, hint="its logarithm")
wrong_number("initial_loss", 0.278, hint="number of classes once more")
wrong_number("initial_loss", 13.621, hint="only the target")
right_number("initial_loss", 1.946)
right_number("initial_loss", np.log(7.0))

wrong_number("naive_passes", 134, hint="two forward passes")
wrong_number("naive_passes", 135, hint="forward differences")
wrong_number("naive_passes", 117, hint="biases")
wrong_number("naive_passes", 234, hint="biases")
wrong_number("naive_passes", 269, hint="at the point itself")
wrong_number("naive_passes", 2, hint="one parameter at a time")
wrong_number("naive_passes", 44, hint="units")
right_number("naive_passes", 268.0)
right_number("naive_passes", np.int64(268))

wrong_number("constant_accuracy", 60, hint="percent")
wrong_number("constant_accuracy", 1 / 3, hint="at random")
wrong_number("constant_accuracy", 0.25, hint="most frequent")
wrong_number("constant_accuracy", 0.15, hint="most frequent")
wrong_number("constant_accuracy", 0.4, hint="error rate")
wrong_number("constant_accuracy", 0.445, hint="never looks at the input")
wrong_number("constant_accuracy", 120, hint="share")
right_number("constant_accuracy", 120 / 200)
right_number("constant_accuracy", np.float32(0.6))
