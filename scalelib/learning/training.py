"""Training of a noise prediction: deterministic, and resumable at any step."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

import torch
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from scalelib import _check
from scalelib.learning.checkpoint import (
    CheckpointError,
    differences,
    read_checkpoint,
    write_checkpoint,
)
from scalelib.learning.description import describe
from scalelib.learning.loss import NoiseLoss
from scalelib.learning.network import UNet
from scalelib.learning.trained import Trained
from scalelib.processes import LinearGaussianScaleSpace
from scalelib.provenance import fingerprint

__all__ = ["DivergenceError", "Settings", "Training", "train"]


class DivergenceError(ArithmeticError):
    """The loss or its gradient is no longer finite."""


@final
@dataclass(frozen=True)
class Settings:
    """What determines a training, besides the images and the process.

    Attributes
    ----------
    width : int
        Channels of the network at full size, see :class:`UNet`.
    multipliers : tuple of int
        Channels of each level relative to ``width``.
    blocks : int
        Residual blocks per level.
    batch : int
        Images per step. An epoch goes through the images in a random order and leaves out those
        at its end that do not fill a batch.
    learning_rate : float
        Of Adam, constant. There is no decay, so that a training can be continued.
    average : float
        Decay in [0, 1) of the moving average of the weights. Step k uses at most
        (1 + k) / (10 + k), so that the first weights are forgotten.
    clip : float
        Largest norm of the gradient; a larger one is scaled down to it.
    seed : int
        Seed of initial weights, order of the images, scales and noise.
    """

    width: int = 16
    multipliers: tuple[int, ...] = (1, 2)
    blocks: int = 1
    batch: int = 64
    learning_rate: float = 4e-3
    average: float = 0.995
    clip: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check what the network does not check."""
        _check.integer("batch", self.batch, low=1)
        _check.number("learning_rate", self.learning_rate, low=0)
        if _check.non_negative("average", self.average) >= 1:
            raise ValueError(f"average must be in [0, 1), found {self.average!r}")
        _check.number("clip", self.clip, low=0)
        _check.integer("seed", self.seed, low=0, high=2**63 - 1)


@final
class Training:
    r"""A training in progress: one object that holds all of its state.

    Each step draws images :math:`x`, scales :math:`i` uniform on 1..m and noise
    :math:`\varepsilon`, and moves the weights by Adam along the gradient of :class:`NoiseLoss`.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W), float32
        Training images.
    process : LinearGaussianScaleSpace
        Process with noise in every mode.
    settings : Settings
        Network, optimiser and seed.
    device : torch.device or str
        Where network and images are. Random numbers are drawn on the CPU everywhere.

    Raises
    ------
    TypeError, ValueError
        If the images do not fit the process, the network or the batch, or the process has a mode
        without noise.

    Notes
    -----
    Deterministic: on the same type of device, with the same version of torch and as many threads,
    the same arguments give the same weights bit for bit, whether or not the training was
    interrupted and resumed.
    Sources: Adam, Kingma and Ba, ICLR 2015; average of the weights, Ho, Jain and Abbeel, Denoising
    diffusion probabilistic models, NeurIPS 2020, Appendix B.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> images = torch.ones(16, 1, 8, 8)
    >>> training = Training(images, VariancePreserving([0.5]), Settings(width=8, batch=4))
    >>> early, late = training.advance(), [training.advance() for _ in range(40)][-1]
    >>> late < early / 2
    True
    """

    def __init__(
        self,
        images: Tensor,
        process: LinearGaussianScaleSpace,
        settings: Settings,
        device: torch.device | str = "cpu",
    ) -> None:
        self.process = process
        self.settings = settings
        self._images = _images(images, process, settings.batch)
        self._loss = NoiseLoss(process, device)
        self._generator = torch.Generator().manual_seed(settings.seed)
        self.network = UNet(
            process.steps,
            channels=images.shape[1],
            width=settings.width,
            multipliers=settings.multipliers,
            blocks=settings.blocks,
            generator=self._generator,
        ).to(device)
        self.averaged = copy.deepcopy(self.network).requires_grad_(False)
        self._weights = list(self.network.parameters())
        self._adam = torch.optim.Adam(self._weights, settings.learning_rate, fused=True)
        self._order = torch.zeros(len(images), dtype=torch.int64)
        self._losses: list[float] = []
        self._data = {"sha256": fingerprint(self._images), "shape": list(images.shape)}
        self._images = self._images.to(device)

    @property
    def step(self) -> int:
        """Number of steps done."""
        return len(self._losses)

    @property
    def configuration(self) -> dict[str, Any]:
        """What determines the result, as values of JSON."""
        values = asdict(self.settings)
        for key in ("width", "multipliers", "blocks"):
            del values[key]
        return {
            "network": self.network.configuration,
            "process": describe(self.process),
            "training": values,
            "data": self._data,
        }

    def advance(self) -> float:
        """Do one step and return its loss.

        Returns
        -------
        float

        Raises
        ------
        DivergenceError
            If the loss or its gradient is not finite. The weights are those of the step before.
        """
        u0, i, noise = self._draw()
        with _deterministic():
            loss = self._loss(self.network, u0, i, noise)
            self._adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch has no types here
        norm = torch.nn.utils.clip_grad_norm_(self._weights, self.settings.clip)
        value = float(loss.detach())
        if not (math.isfinite(value) and math.isfinite(float(norm))):
            raise DivergenceError(
                f"loss and gradient must be finite, found loss {value:g} and norm "
                f"{float(norm):g} at step {self.step + 1}: try a smaller learning_rate"
            )
        self._adam.step()
        decay = min(self.settings.average, (1 + self.step) / (10 + self.step))
        move = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]  # torch has no types here
        move(list(self.averaged.parameters()), self._weights, 0)
        self._losses.append(value)
        return value

    def _draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Images, scales and noise of the next step."""
        batch, count = self.settings.batch, len(self._images)
        place = self.step % (count // batch) * batch
        if place == 0:
            self._order = torch.randperm(count, generator=self._generator)
        device = self._images.device
        u0 = self._images[self._order[place : place + batch].to(device)]
        i = torch.randint(1, self.process.steps + 1, (batch,), generator=self._generator)
        noise = torch.randn(u0.shape, generator=self._generator).to(device)
        return u0, i, noise

    def result(self) -> Trained:
        """Network with the averaged weights, and what it was trained for."""
        losses = torch.tensor(self._losses, dtype=torch.float64)
        return Trained(copy.deepcopy(self.averaged).eval(), self.process, losses)

    def save(self, path: str | Path) -> None:
        """Write the whole state.

        Parameters
        ----------
        path : str or Path
            File to write or replace.

        Raises
        ------
        OSError
            If it cannot be written; the previous file is intact then.
        """
        write_checkpoint(path, self.configuration, self._state())

    def resume(self, path: str | Path) -> None:
        """Go on where a checkpoint stands.

        Parameters
        ----------
        path : str or Path
            File that :meth:`save` wrote.

        Raises
        ------
        OSError
            If the file cannot be read.
        CheckpointError
            If it is no checkpoint, is damaged, or is of another configuration; the message says
            in what they differ. This training is unchanged then.
        """
        found, tensors = read_checkpoint(path)
        other = differences(found, self.configuration)
        if other:
            raise CheckpointError(f"{path} is of another training: {'; '.join(other)}")
        length = tensors["losses"].numel() if "losses" in tensors else 0
        expected = self._state() | {"losses": torch.zeros(length, dtype=torch.float64)}
        for name in expected.keys() | tensors.keys():
            _check_alike(path, name, tensors.get(name), expected.get(name))
        self._restore(tensors)

    def _state(self) -> dict[str, Tensor]:
        weights = dict(self.network.named_parameters())
        averages = dict(self.averaged.named_parameters())
        state = {f"network.{name}": w.detach() for name, w in weights.items()}
        state |= {f"averaged.{name}": w for name, w in averages.items()}
        for moment in ("exp_avg", "exp_avg_sq"):
            for name, w in weights.items():
                found = self._adam.state[w].get(moment, torch.zeros_like(w))
                state[f"adam.{moment}.{name}"] = found
        state["generator"] = self._generator.get_state()
        state["order"] = self._order
        state["losses"] = torch.tensor(self._losses, dtype=torch.float64)
        return state

    @torch.no_grad()
    def _restore(self, tensors: Mapping[str, Tensor]) -> None:
        for prefix, network in (("network", self.network), ("averaged", self.averaged)):
            for name, weight in network.named_parameters():
                weight.copy_(tensors[f"{prefix}.{name}"])
        self._losses = tensors["losses"].tolist()
        for name, weight in self.network.named_parameters():
            self._adam.state[weight] = {
                "step": torch.tensor(float(self.step), device=weight.device),
                **{
                    moment: tensors[f"adam.{moment}.{name}"].to(weight.device)
                    for moment in ("exp_avg", "exp_avg_sq")
                },
            }
        self._generator.set_state(tensors["generator"])
        self._order = tensors["order"]


def train(
    images: Tensor,
    process: LinearGaussianScaleSpace,
    settings: Settings,
    steps: int,
    *,
    path: str | Path | None = None,
    save_every: int = 200,
    device: torch.device | str = "cpu",
    progress: bool = False,
) -> Trained:
    """Train a network, or go on with the training that ``path`` holds.

    Parameters
    ----------
    images : Tensor, shape (N, C, H, W), float32
        Training images.
    process : LinearGaussianScaleSpace
        Process with noise in every mode.
    settings : Settings
        Network, optimiser and seed.
    steps : int
        Number of steps in all, those of the checkpoint included.
    path : str, Path or None
        Checkpoint. If the file exists the training is resumed from it, and the result is bit for
        bit that of a training without interruption.
    save_every : int
        Steps between two checkpoints; the last step is always saved.
    device : torch.device or str
        Where to train.
    progress : bool
        Show a bar with progress, loss and time left.

    Returns
    -------
    Trained

    Raises
    ------
    CheckpointError
        If ``path`` exists and is not a checkpoint of this very training, or has gone further.
    DivergenceError
        If the loss is not finite. The checkpoint is the last good one.
    OSError
        If a checkpoint cannot be written; the previous one is intact.
    TypeError, ValueError
        As for :class:`Training`.

    Examples
    --------
    >>> import torch
    >>> from scalelib import VariancePreserving
    >>> images = torch.ones(16, 1, 8, 8)
    >>> found = train(images, VariancePreserving([0.5]), Settings(width=8, batch=4), steps=3)
    >>> len(found.losses)
    3
    """
    steps = _check.integer("steps", steps, low=1)
    save_every = _check.integer("save_every", save_every, low=1)
    if path is not None and not Path(path).absolute().parent.is_dir():
        raise ValueError(f"path must be in an existing folder, found {str(path)!r}")
    training = Training(images, process, settings, device)
    if path is not None and Path(path).exists():
        training.resume(path)
        if training.step > steps:
            raise CheckpointError(f"{path} has {training.step} steps, more than the {steps} asked")
    with _bar(shown=progress) as bar:
        task = bar.add_task("Training", total=steps, completed=training.step, loss="")
        while training.step < steps:
            loss = training.advance()
            bar.update(task, completed=training.step, loss=f"loss {loss:.4f}")
            if path is not None and (training.step % save_every == 0 or training.step == steps):
                training.save(path)
    return training.result()


@contextmanager
def _deterministic() -> Iterator[None]:
    """Convolutions on a GPU that give the same result every time."""
    cudnn = torch.backends.cudnn
    before = cudnn.deterministic, cudnn.benchmark
    cudnn.deterministic, cudnn.benchmark = True, False
    try:
        yield
    finally:
        cudnn.deterministic, cudnn.benchmark = before


def _bar(*, shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        disable=not shown,
    )


def _images(images: Tensor, process: LinearGaussianScaleSpace, batch: int) -> Tensor:
    if not isinstance(process, LinearGaussianScaleSpace):
        found = type(process).__name__
        raise TypeError(f"process must be a LinearGaussianScaleSpace, found {found}")
    _check.image("images", images, process.shape)
    if images.ndim != 4 or images.dtype != torch.float32:
        raise ValueError(
            "images must be float32 of shape (N, C, H, W), "
            f"found {images.dtype} of shape {tuple(images.shape)}"
        )
    if len(images) < batch:
        raise ValueError(
            f"batch must be at most {len(images)}, the number of images, found {batch}"
        )
    return images


def _check_alike(
    path: str | Path, name: str, found: Tensor | None, expected: Tensor | None
) -> None:
    if found is None or expected is None:
        state = "lacks" if found is None else "has a foreign"
        raise CheckpointError(f"{path} {state} tensor {name!r}")
    if found.dtype != expected.dtype or found.shape != expected.shape:
        raise CheckpointError(
            f"{path} must hold {name!r} as {expected.dtype} of shape {tuple(expected.shape)}, "
            f"found {found.dtype} of shape {tuple(found.shape)}"
        )
