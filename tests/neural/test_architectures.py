import numpy as np
import pytest
import torch

from sklgen.neural._architectures import reader, writer
from sklgen.neural._convolutional import Finer, ImageReader, ImageWriter
from sklgen.neural._recurrent import Recurrent, SequenceWriter

SHAPES = [
    ("mlp", (7,)),
    ("conv", (1, 8, 8)),
    ("conv", (2, 5, 7)),
    ("conv", (3, 4, 13)),
    ("conv", (1, 28, 28)),
    ("recurrent", (8, 8)),
    ("recurrent", (2, 3)),
    ("recurrent", (11, 1)),
]
N_NOISE = 6


@pytest.fixture(autouse=True)
def seed():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def pair(architecture, shape, n_extra):
    width = int(np.prod(shape))
    given = None if architecture == "mlp" else shape
    return (
        reader(architecture, width, n_extra, 3, given),
        writer(architecture, N_NOISE + n_extra, width, given),
    )


def batch(shape, n_extra, n=5):
    width = int(np.prod(shape))
    return torch.randn(n, width), torch.randn(n, N_NOISE), torch.randn(n, n_extra)


@pytest.mark.parametrize(("architecture", "shape"), SHAPES)
@pytest.mark.parametrize("n_extra", [0, 4])
def test_losses_and_penalties_of_gradients_move_every_parameter(
    architecture, shape, n_extra
):
    read, write = pair(architecture, shape, n_extra)
    _, z, extra = batch(shape, n_extra)
    x = write(z, extra)
    assert x.shape == (5, int(np.prod(shape)))
    out = read(x, extra)
    assert out.shape == (5, 3)
    out.square().sum().backward()
    for net in read, write:
        for name, parameter in net.named_parameters():
            assert parameter.grad.abs().sum() > 0, name
    read.zero_grad()
    x = x.detach().requires_grad_()
    total = read(x, extra).square().sum()
    (slope,) = torch.autograd.grad(total, x, create_graph=True)
    slope.square().sum().backward()
    for name, parameter in read.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize(("architecture", "shape"), SHAPES)
def test_every_number_matters_whatever_is_known(architecture, shape):
    n_extra = 4
    read, write = pair(architecture, shape, n_extra)
    read, write = read.double(), write.double()
    x, z, extra = (tensor[:1].double() for tensor in batch(shape, n_extra))
    of_x, of_extra = torch.autograd.functional.jacobian(read, (x, extra))
    assert (of_x[0, :, 0] != 0).all()
    assert (of_extra[0, :, 0] != 0).all()
    for of_input in torch.autograd.functional.jacobian(write, (z, extra)):
        assert (of_input[0, :, 0] != 0).all()


@pytest.mark.parametrize(("architecture", "shape"), SHAPES)
def test_rows_do_not_see_each_other(architecture, shape):
    read, write = pair(architecture, shape, 2)
    x, z, extra = batch(shape, 2, n=9)
    with torch.no_grad():
        for net, rows in (read, x), (write, z):
            together = net(rows, extra)
            for row in range(9):
                alone = net(rows[row : row + 1], extra[row : row + 1])
                torch.testing.assert_close(
                    alone[0], together[row], rtol=1e-5, atol=1e-6
                )


@pytest.mark.parametrize(
    ("architecture", "shape", "hidden"),
    [("mlp", (5,), (3, 2)), ("conv", (2, 5, 4), (2, 3)), ("recurrent", (3, 2), (3, 2))],
)
def test_first_and_second_derivatives_in_double(architecture, shape, hidden):
    width = int(np.prod(shape))
    read = reader(architecture, width, 2, 1, shape, hidden).double()
    write = writer(architecture, 4, width, shape, hidden).double()
    x, z, extra = (tensor.double() for tensor in batch(shape, 2, n=2))
    rows = [x.requires_grad_(), extra.requires_grad_()]
    assert torch.autograd.gradcheck(read, rows)
    assert torch.autograd.gradgradcheck(read, rows)
    assert torch.autograd.gradcheck(write, [z[:, :2].requires_grad_(), extra])


def test_maps_become_half_as_high_and_wide_rounded_up():
    read = ImageReader((1, 5, 14), 0, 1, (2, 3, 4))
    maps, sizes = torch.zeros(1, 1, 5, 14), []
    for layer in read.maps[:-1]:
        maps = layer(maps)
        if isinstance(layer, torch.nn.Conv2d):
            sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(2, 3, 7), (3, 2, 4), (4, 1, 2)]
    write = ImageWriter(2, (1, 5, 14), (2, 3, 4))
    maps, sizes = torch.zeros(1, 2), []
    for layer in write.layers[:-1]:
        maps = layer(maps)
        if isinstance(layer, torch.nn.Unflatten | Finer):
            sizes.append(tuple(maps.shape[1:]))
    assert sizes == [(4, 1, 2), (3, 2, 4), (2, 3, 7), (1, 5, 14)]


def test_convolutions_follow_what_moves():
    image = torch.zeros(1, 1, 16, 16)
    image[..., 4:8, 4:8] = torch.randn(4, 4)
    coarser = ImageReader((1, 16, 16), 0, 1, (3,)).maps[0]
    moved = coarser(torch.roll(image, (4, 2), (2, 3)))
    torch.testing.assert_close(moved, torch.roll(coarser(image), (2, 1), (2, 3)))
    finer = Finer(1, 3, 32, 32)
    moved = finer(torch.roll(image, (4, 2), (2, 3)))
    torch.testing.assert_close(moved, torch.roll(finer(image), (8, 4), (2, 3)))


def test_images_are_rows_of_pixels_channel_by_channel():
    write = ImageWriter(2, (2, 5, 4), (3,))
    last = write.layers[-2].maps
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(torch.tensor([1.0, 2.0]))
    assert write(torch.zeros(1, 2))[0].tolist() == [1.0] * 20 + [2.0] * 20


def test_steps_do_not_know_later_ones():
    net = Recurrent(2, (4, 3))
    steps = torch.randn(3, 6, 2)
    other = steps.clone()
    other[:, 4:] = torch.randn(3, 2, 2)
    torch.testing.assert_close(net(other)[:, :4], net(steps)[:, :4])
    assert (net(other)[:, 4:] != net(steps)[:, 4:]).all()


def test_states_of_all_layers_start_where_they_are_told():
    net = Recurrent(2, (4, 3))
    steps, start = torch.randn(5, 1, 2), torch.randn(5, 7)
    torch.testing.assert_close(net(steps), net(steps, torch.zeros(5, 7)))
    first = net.layers[0](steps, start[None, :, :4].contiguous())[0]
    second = net.layers[1](first, start[None, :, 4:].contiguous())[0]
    torch.testing.assert_close(net(steps, start), second)


def test_a_longer_sequence_begins_like_a_shorter_one():
    long, short = SequenceWriter(3, (7, 2), (4,)), SequenceWriter(3, (5, 2), (4,))
    state = long.state_dict()
    short.load_state_dict(state | {"clock.weight": state["clock.weight"][:5]})
    z = torch.randn(6, 3)
    torch.testing.assert_close(short(z), long(z)[:, :10])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("cnn", 64, (1, 8, 8)), r"architecture must be .*'mlp', .*got 'cnn'"),
        (("conv", 64), r"needs sample_shape=\(channels, height, width\).*None"),
        (("conv", 64, (8, 8)), r"needs sample_shape=\(channels.*got .*\(8, 8\)"),
        (("recurrent", 64, (1, 8, 8)), r"needs sample_shape=\(steps.*\(1, 8, 8\)"),
        (("conv", 65, (1, 8, 8)), r"as many numbers as a row has inputs, 65"),
        (("mlp", 65, (1, 8, 8)), r"as many numbers as a row has inputs, 65"),
        (("conv", 64, (1, -8, -8)), r"as many numbers as a row has inputs, 64"),
        (("conv", 24, (1, 8, 3)), r"at least 4 x 4 pixels.*\(1, 8, 3\)"),
        (("conv", 64, (1, 8, 8), ()), r"at least 1 unit each, got \(\);.*\(32, 64\)"),
        (("mlp", 64, None, (8, 0)), r"at least 1 unit each, got \(8, 0\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(given, words):
    architecture, width, *rest = given
    with pytest.raises(ValueError, match=words):
        reader(architecture, width, 0, 1, *rest)
    with pytest.raises(ValueError, match=words):
        writer(architecture, 2, width, *rest)
