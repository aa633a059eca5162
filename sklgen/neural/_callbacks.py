"""What happens between epochs: the best networks are kept, and progress is shown."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

from skorch.callbacks import Callback


class Diverged(ArithmeticError):
    """A loss that is no number."""


class KeepBest(Callback):
    """Keep the networks of the best epoch, and stop when none was better for long.

    Parameters
    ----------
    monitor : str
        Name of the value in the history of epochs; the smallest is the best.
    patience : int
        Number of epochs without a better one after which training stops.
    """

    def __init__(self, monitor: str, patience: int) -> None:
        self.monitor = monitor
        self.patience = patience

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        self.best_ = math.inf
        self.state_: dict[str, Any] | None = None
        self.waited_ = 0

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        value = net.history[-1, self.monitor]
        better = value < self.best_
        net.history.record("best", better)
        if better:
            self.best_, self.waited_ = value, 0
            self.state_ = {
                name: deepcopy(getattr(net, name + "_").state_dict())
                for name in net.kept
            }
            return
        self.waited_ += 1
        if self.waited_ >= self.patience:
            raise KeyboardInterrupt  # as skorch ends a training early

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        self.restore(net)

    def restore(self, net: Any) -> bool:
        """Bring the best networks back, and tell whether there were any."""
        state, self.state_ = self.state_, None
        for name, weights in (state or {}).items():
            getattr(net, name + "_").load_state_dict(weights)
        return state is not None


class Progress(Callback):
    """A bar over the steps of training.

    Parameters
    ----------
    total : int
        Number of steps.
    monitor : str
        Name of the value in the history of epochs that is shown.
    """

    def __init__(self, total: int, monitor: str) -> None:
        self.total = total
        self.monitor = monitor

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        from tqdm.auto import tqdm

        self.bar_ = tqdm(total=self.total, unit="step")

    def on_batch_end(self, net: Any, training: bool, **kwargs: Any) -> None:  # noqa: FBT001 (skorch's signature)
        if training:
            self.bar_.update()

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        self.bar_.set_postfix({self.monitor: f"{net.history[-1, self.monitor]:.4g}"})

    def on_train_end(self, net: Any, **kwargs: Any) -> None:
        self.bar_.close()
        del self.bar_
