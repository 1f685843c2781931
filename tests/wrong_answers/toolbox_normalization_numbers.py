"""Wrong values of the numbers of `toolbox_normalization`, and correct ones in another form."""

import numpy as np

from tests.wrong_answers import right_number, wrong_number

wrong_number("largest_normalised", 37, hint="grows with the outlier")
wrong_number("largest_normalised", 36, hint="the outlier included")
wrong_number("largest_normalised", 37**0.5, hint="add up to 0")
wrong_number("largest_normalised", 36 / 37**0.5, hint="unbiased")
wrong_number("largest_normalised", 1, hint="may lie far outside")
wrong_number("largest_normalised", 3, hint="every batch")
wrong_number("largest_normalised", 6**0.5, hint="a deviation already")
right_number("largest_normalised", 6)
right_number("largest_normalised", np.sqrt(36.0))

wrong_number("dropout_deviation", 0.5625, hint="this is the variance, and")
wrong_number("dropout_deviation", 4 / 3, hint="for that of dropping")
wrong_number("dropout_deviation", 0.48, hint="vanilla")
wrong_number("dropout_deviation", 0.2304, hint="variance of vanilla")
wrong_number("dropout_deviation", 1.25, hint="distances from the expectation")
wrong_number("dropout_deviation", 0, hint="the deviation does not")
wrong_number("dropout_deviation", 1.5625, hint="an entry that is kept")
right_number("dropout_deviation", 0.75)
right_number("dropout_deviation", (0.36 / 0.64) ** 0.5)
