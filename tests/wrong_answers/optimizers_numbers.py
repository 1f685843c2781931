"""Wrong values of the graded numbers of `toolbox_optimizers`, and correct ones in another form."""

import math

import numpy as np

from tests.wrong_answers import right_number, wrong_number

wrong_number("first_step", 1, hint="with the correction")
wrong_number("first_step", 9.75, hint="the gradient cancels")
wrong_number("first_step", 93.75, hint="under a root")
wrong_number("first_step", 0.8507, hint="the old zeros have beta")
wrong_number("first_step", 0.00413, hint="beta2 to v")
wrong_number("first_step", 0.2667, hint="not √v by m")
wrong_number("first_step", 25, hint="m is not corrected either")
wrong_number("first_step", 0.15, hint="v is not corrected either")
right_number("first_step", 3.75)
right_number("first_step", np.float32(0.15 / math.sqrt(0.0016)))

wrong_number("log_share", 9.9e-4, hint="share of uniform draws")
wrong_number("log_share", 40, hint="percent")
wrong_number("log_share", 0.6, hint="the share above")
wrong_number("log_share", 2, hint="counts decades")
wrong_number("log_share", 1 / 3, hint="five decades")
wrong_number("log_share", 0.5, hint="geometric mean")
right_number("log_share", 2 / 5)
right_number("log_share", np.log10(100) / np.log10(1e5))
