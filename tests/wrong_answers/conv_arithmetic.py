"""Answers to the tasks of `solutions.conv_arithmetic`."""

import math
from collections.abc import Sequence

from torch import nn

from tests.wrong_answers import right, wrong

# conv_output_size


@wrong("conv_output_size", hint="+1 is missing")
def without_the_first_position(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding - kernel) // stride


@wrong("conv_output_size", hint="fraction of a position")
def without_the_floor(n: int, kernel: int, stride: int = 1, padding: int = 0) -> float:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding - kernel) / stride + 1


@wrong("conv_output_size", hint="round down, not up")
def rounded_up(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return math.ceil((n + 2 * padding - kernel) / stride) + 1


@wrong("conv_output_size", hint="round down, not up")
def rounded_to_the_nearest(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return round((n + 2 * padding - kernel) / stride) + 1


@wrong("conv_output_size", hint="+1 is missing")
def one_added_before_the_division(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding - kernel + 1) // stride


@wrong("conv_output_size", hint="both ends")
def padding_counted_once(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + padding - kernel) // stride + 1


@wrong("conv_output_size", hint="padding is left out")
def padding_left_out(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n - kernel) // stride + 1


@wrong("conv_output_size", hint="stride is left out")
def stride_left_out(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return n + 2 * padding - kernel + 1


@wrong("conv_output_size", hint="number of steps")
def size_divided_by_the_stride(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding) // stride - kernel + 1


@wrong("conv_output_size", hint="whole number")
def floored_float(n: int, kernel: int, stride: int = 1, padding: int = 0) -> float:
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding - kernel + 0.0) // stride + 1


@wrong("conv_output_size", hint="no position")
def zero_where_it_does_not_fit(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0:
        raise ValueError("impossible")
    return max((n + 2 * padding - kernel) // stride + 1, 0)


@wrong("conv_output_size", hint="at least 1")
def arguments_not_looked_at(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if kernel > n + 2 * padding:
        raise ValueError("the kernel does not fit")
    return (n + 2 * padding - kernel) // stride + 1


@wrong("conv_output_size", hint="at least 1")
def asserted(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    assert min(n, kernel, stride) >= 1 and padding >= 0, "out of range"
    if kernel > n + 2 * padding:
        raise ValueError("the kernel does not fit")
    return (n + 2 * padding - kernel) // stride + 1


@wrong("conv_output_size", hint="stride is 1")
def stride_of_the_kernel(n: int, kernel: int, stride: int = 0, padding: int = 0) -> int:
    if stride == 0 and padding == 0 and 1 < kernel <= n:
        stride = kernel
    if min(n, kernel, stride) < 1 or padding < 0 or kernel > n + 2 * padding:
        raise ValueError("impossible")
    return (n + 2 * padding - kernel) // stride + 1


@right("conv_output_size")
def counted_by_range(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if min(n, kernel, stride) < 1 or padding < 0:
        raise ValueError("an argument is out of range")
    starts = range(-padding, n + padding - kernel + 1, stride)
    if not starts:
        raise ValueError("no position")
    return len(starts)


@right("conv_output_size")
def counted_in_a_loop(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if not (kernel >= 1 and stride >= 1 and padding >= 0 and kernel <= n + 2 * padding):
        raise ValueError
    positions, end = 1, kernel
    while end + stride <= n + 2 * padding:
        positions, end = positions + 1, end + stride
    return positions


@right("conv_output_size")
def by_math_floor(n: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    if n < 1 or kernel < 1 or stride < 1 or padding < 0 or n + 2 * padding < kernel:
        raise ValueError(f"{n=}, {kernel=}, {stride=}, {padding=}")
    return math.floor((n + 2 * padding - kernel) / stride + 1)


# same_padding


@wrong("same_padding", hint="even kernel")
def even_kernels_taken(kernel: int) -> int:
    if kernel < 1:
        raise ValueError("no kernel")
    return kernel // 2


@wrong("same_padding", hint="shared by the two ends")
def both_ends_together(kernel: int) -> int:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return kernel - 1


@wrong("same_padding", hint="round down")
def padding_rounded_up(kernel: int) -> int:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return (kernel + 1) // 2


@wrong("same_padding", hint="whole number")
def half_as_float(kernel: int) -> float:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return (kernel - 1) / 2


@wrong("same_padding", hint="not only of 3")
def always_one(kernel: int) -> int:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return 1


@wrong("same_padding", hint="without its centre")
def half_a_pixel_too_much(kernel: int) -> float:
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return kernel / 2


@wrong("same_padding", hint="even kernel")
def refused_by_assertion(kernel: int) -> int:
    if kernel < 1:
        raise ValueError("no kernel")
    assert kernel % 2 == 1, "odd kernels only"
    return kernel // 2


@wrong("same_padding", hint="at least one pixel")
def negative_kernels_taken(kernel: int) -> int:
    if kernel % 2 == 0:
        raise ValueError("odd kernels only")
    return (kernel - 1) // 2


@right("same_padding")
def searched(kernel: int) -> int:
    for padding in range(kernel):
        if 2 * padding - kernel + 1 == 0:
            return padding
    raise ValueError("no padding keeps the size")


@right("same_padding")
def by_divmod(kernel: int) -> int:
    padding, rest = divmod(kernel - 1, 2)
    if kernel <= 0 or rest:
        raise ValueError(kernel)
    return padding


# conv_parameters


@wrong("conv_parameters", hint="biases are left out")
def weights_alone(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * n_out * kernel**2


@wrong("conv_parameters", hint="bias=False")
def biases_always(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * n_out * kernel**2 + n_out


@wrong("conv_parameters", hint="each of its channels")
def flat_kernels(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_out * (kernel**2 + bias)


@wrong("conv_parameters", hint="pair of channels")
def bias_for_each_pair(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * n_out * (kernel**2 + bias)


@wrong("conv_parameters", hint="not k")
def kernel_not_squared(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_out * (n_in * kernel + bias)


@wrong("conv_parameters", hint="a kernel of its own")
def one_kernel(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * kernel**2 + bias


@wrong("conv_parameters", hint="not one for the layer")
def one_bias(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * n_out * kernel**2 + bias


@wrong("conv_parameters", hint="not for each input channel")
def biases_of_the_inputs(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return n_in * n_out * kernel**2 + n_in * bias


@wrong("conv_parameters", hint="whole number")
def float_count(n_in: int, n_out: int, kernel: int, bias: bool = True) -> float:
    return n_out * (n_in * float(kernel) ** 2 + bias)


@right("conv_parameters")
def counted_by_the_library(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    return sum(value.numel() for value in nn.Conv2d(n_in, n_out, kernel, bias=bias).parameters())


@right("conv_parameters")
def weights_then_biases(n_in: int, n_out: int, kernel: int, bias: bool = True) -> int:
    count = math.prod((n_out, n_in, kernel, kernel))
    if bias:
        count += n_out
    return count


# fully_connected_parameters


@wrong("fully_connected_parameters", hint="one weight for each input")
def one_weight_an_input(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    x, y, z = shape_in
    return x * y * z


@wrong("fully_connected_parameters", hint="one weight for each output")
def one_weight_an_output(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return math.prod(shape_out)


@wrong("fully_connected_parameters", hint="multiply")
def added(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return math.prod(shape_in) + math.prod(shape_out)


@wrong("fully_connected_parameters", hint="biases are left out")
def dense_weights_alone(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return math.prod(shape_in) * math.prod(shape_out)


@wrong("fully_connected_parameters", hint="bias=False")
def dense_biases_always(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return (math.prod(shape_in) + 1) * math.prod(shape_out)


@wrong("fully_connected_parameters", hint="at every position")
def weights_shared_by_positions(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return shape_out[0] * (math.prod(shape_in) + bias)


@wrong("fully_connected_parameters", hint="a bias of its own")
def bias_for_each_channel(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return math.prod(shape_in) * math.prod(shape_out) + shape_out[0] * bias


@wrong("fully_connected_parameters", hint="flattened")
def channels_connected(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return shape_out[0] * (shape_in[0] + bias)


@wrong("fully_connected_parameters", hint="whole number")
def dense_float_count(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> float:
    return (math.prod(shape_in) + bias) * float(math.prod(shape_out))


@right("fully_connected_parameters")
def multiplied_out(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    channels, height, width = shape_out
    units = channels * height * width
    weights = units * shape_in[0] * shape_in[1] * shape_in[2]
    return weights + units if bias else weights


@right("fully_connected_parameters")
def as_an_extra_input(
    shape_in: tuple[int, int, int], shape_out: tuple[int, int, int], bias: bool = True
) -> int:
    return (math.prod(shape_in) + int(bias)) * math.prod(shape_out)


# receptive_field


@wrong("receptive_field", hint="strides are left out")
def strides_left_out(layers: Sequence[tuple[int, int]]) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


@wrong("receptive_field", hint="own stride does not widen")
def own_stride_first(layers: Sequence[tuple[int, int]]) -> int:
    field, jump = 1, 1
    for kernel, stride in layers:
        jump *= stride
        field += (kernel - 1) * jump
    return field


@wrong("receptive_field", hint="k - 1 steps")
def whole_kernels(layers: Sequence[tuple[int, int]]) -> int:
    field, jump = 0, 1
    for kernel, stride in layers:
        field += kernel * jump
        jump *= stride
    return field or 1


@wrong("receptive_field", hint="k - 1 pixels")
def sum_of_kernels(layers: Sequence[tuple[int, int]]) -> int:
    return sum(kernel for kernel, _ in layers) if layers else 1


@wrong("receptive_field", hint="fields do not multiply")
def product_of_kernels(layers: Sequence[tuple[int, int]]) -> int:
    return math.prod(kernel for kernel, _ in layers)


@wrong("receptive_field", hint="not its area")
def area(layers: Sequence[tuple[int, int]]) -> int:
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field**2


@wrong("receptive_field", hint="read from the top")
def upside_down(layers: Sequence[tuple[int, int]]) -> int:
    field = 1
    for kernel, stride in layers:  # the recursion that goes down from the last layer
        field = (field - 1) * stride + kernel
    return field


@wrong("receptive_field", hint="only the one directly below")
def one_stride_remembered(layers: Sequence[tuple[int, int]]) -> int:
    field, below = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * below
        below = stride
    return field


@wrong("receptive_field", hint="not the last one alone")
def last_kernel(layers: Sequence[tuple[int, int]]) -> int:
    return layers[-1][0] if layers else 1


@wrong("receptive_field", hint="starts at 1")
def begun_at_zero(layers: Sequence[tuple[int, int]]) -> int:
    field, jump = 0, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field


@wrong("receptive_field", hint="starts at 1")
def nothing_for_no_layers(layers: Sequence[tuple[int, int]]) -> int:
    if not layers:
        return 0
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field


@right("receptive_field")
def down_from_the_top(layers: Sequence[tuple[int, int]]) -> int:
    field = 1
    for kernel, stride in reversed(layers):
        field = stride * (field - 1) + kernel
    return field


@right("receptive_field")
def first_and_last_pixel(layers: Sequence[tuple[int, int]]) -> int:
    first = last = 0
    for kernel, stride in list(layers)[::-1]:
        first, last = first * stride, last * stride + kernel - 1
    return last - first + 1
