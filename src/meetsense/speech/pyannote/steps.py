"""Steps of pyannote.audio's SpeakerDiarization done otherwise: the same numbers for less time and memory.

The library's own ``apply`` runs the pipeline; four of its steps are replaced on the one pipeline that is
given, never on the library's classes:

* ``get_segmentations`` runs a few chunks at a time, and in fast mode only those that the voice activity
  detector heard speech in.
* ``get_embeddings`` runs the embedding network once a chunk, not once for each of its speakers, and not at
  all where nobody speaks. The speakers' masks are applied after the network, when its frames are pooled, so
  that the frames are the same; the last layer sees the rows in stock's batches, because a matrix product of
  another height rounds otherwise.
* ``reconstruct`` adds chunks up one by one instead of in one array of chunks × frames × people.
* the clustering never asks for more people than it has vectors, and takes at most LONG_VECTORS of them in a
  recording of more than an hour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from meetsense.values import Span

Hook = Callable[..., None]
SEGMENTATION_BATCH = 8
"""Chunks that the segmentation network sees at once: 40 MB of what its first layer makes."""
LONG_SECONDS = 3600.0
"""A recording that is longer is clustered from a part of its vectors."""
LONG_VECTORS = 6000
"""Vectors that a longer recording is clustered from, evenly spaced: stock's time grows with the power 2.4 of
their number, its memory with the square; this many take five seconds and 300 MB."""

ROUNDING = 1e-5
"""What rounding may change of a vector, as a share of its largest number."""


class Networks(Protocol):
    """The two networks, however they are run."""

    def activity(self, chunks: Any) -> NDArray[np.float32]:
        """Waveforms (chunks, 1, samples) to who speaks when, (chunks, frames, speakers)."""

    def frames(self, chunk: Any) -> Any:
        """A waveform (1, 1, samples) to what is pooled, a tensor (1, …, frames)."""


class TorchNetworks:
    """The networks as the library runs them."""

    def __init__(self, pipeline: Any) -> None:
        self._inference = pipeline._segmentation
        self._embedding = pipeline._embedding.model_

    def activity(self, chunks: Any) -> NDArray[np.float32]:
        """See Networks."""
        return np.asarray(self._inference.infer(chunks))

    def frames(self, chunk: Any) -> Any:
        """See Networks."""
        return self._embedding.forward_frames(chunk)


def stackable(pipeline: Any) -> str | None:
    """Why the embedding network can't be run once for all speakers of a chunk, or None: it can.

    Compares both ways on two seconds of noise: a later version may do more than pool and multiply. Vectors
    may differ by what a convolution of another batch rounds otherwise.
    """
    import torch

    embedding = pipeline._embedding
    resnet = getattr(embedding.model_, "resnet", None)
    if resnet is None or getattr(resnet, "two_emb_layer", True):
        return f"{type(embedding.model_).__name__} is not a network whose frames can be shared"
    noise = torch.Generator().manual_seed(1)
    wave = 0.1 * torch.randn(1, 1, 32_000, generator=noise)
    masks = (torch.rand(3, 120, generator=noise) > 0.4).float()
    masks[2] = 0
    stock = embedding(wave.expand(3, 1, -1), masks=masks)
    with torch.inference_mode():
        frames = embedding.model_.forward_frames(wave)
        rows = [resnet.pool(frames, weights=mask[None]) for mask in masks[:2]]
        stacked = resnet.seg_1(torch.cat([*rows, torch.zeros_like(rows[0])])).numpy()
    if not np.allclose(stock, stacked, rtol=0, atol=ROUNDING * float(np.abs(stock).max())):
        return "sharing frames across speakers changes the vectors of this version of pyannote.audio"
    return None


class Steps:
    """The replaced steps of one pipeline. ``speech`` is what the detector heard in the recording at hand."""

    def __init__(self, pipeline: Any, networks: Networks, *, skip_silence: bool) -> None:
        self._pipeline = pipeline
        self._networks = networks
        self._skip_silence = skip_silence
        self.speech: Sequence[Span] = ()

    def install(self) -> None:
        """Put the steps into the pipeline."""
        clustering = self._pipeline.clustering
        clustering.filter_embeddings = thinned(clustering.filter_embeddings)
        del self._pipeline.clustering
        self._pipeline.clustering = bounded(clustering)
        self._pipeline.get_segmentations = self.segmentations
        self._pipeline.get_embeddings = self.embeddings
        self._pipeline.reconstruct = reconstruct

    def segmentations(self, file: Any, hook: Hook | None = None) -> Any:
        """Who speaks when in each chunk: a SlidingWindowFeature (chunks, frames, speakers)."""
        import torch
        from pyannote.core import SlidingWindow, SlidingWindowFeature
        from torch.nn.functional import pad

        inference = self._pipeline._segmentation
        waveform, rate = inference.model.audio(file)
        length, step = inference.model.audio.get_num_samples(inference.duration), round(inference.step * rate)
        total = max(0, math.ceil((waveform.shape[1] - length) / step)) + 1
        wanted = self._wanted(total, inference.step, inference.duration)
        made: NDArray[np.float32] | None = None
        for first in range(0, len(wanted), SEGMENTATION_BATCH):
            numbers = wanted[first : first + SEGMENTATION_BATCH]
            cut = [waveform[:, n * step : n * step + length] for n in numbers]
            batch = torch.stack([pad(chunk, (0, length - chunk.shape[1])) for chunk in cut])
            found = self._networks.activity(batch)
            if made is None:
                made = np.zeros((total, *found.shape[1:]), np.float32)
            made[numbers] = found
            if hook is not None:
                hook("segmentation", None, completed=first + len(numbers), total=len(wanted))
        return SlidingWindowFeature(
            made, SlidingWindow(start=0.0, duration=inference.duration, step=inference.step)
        )

    def _wanted(self, total: int, step: float, duration: float) -> list[int]:
        """Numbers of the chunks that the segmentation network has to see: at least one."""
        if not self._skip_silence:
            return list(range(total))
        heard = np.zeros(total, np.bool_)
        for span in self.speech:
            heard[max(0, math.floor((span.start - duration) / step)) : math.ceil(span.end / step) + 1] = True
        return np.flatnonzero(heard).tolist() or [0]

    def embeddings(
        self, file: Any, binary_segmentations: Any, exclude_overlap: bool = False, hook: Hook | None = None
    ) -> NDArray[np.float32]:
        """A vector for each chunk and speaker: (chunks, speakers, dimension); silence has one too."""
        import torch

        resnet, batch = self._pipeline._embedding.model_.resnet, self._pipeline.embedding_batch_size
        chunks, _, speakers = binary_segmentations.data.shape
        total = math.ceil(chunks * speakers / batch)
        made: list[NDArray[np.float32]] = []
        waiting: list[Any] = []
        with torch.inference_mode():
            for row in self._pooled(file, binary_segmentations, exclude_overlap):
                waiting.append(row)
                if len(waiting) == batch or len(made) * batch + len(waiting) == chunks * speakers:
                    made.append(resnet.seg_1(torch.stack(waiting)).numpy())
                    waiting = []
                    if hook is not None:
                        hook("embeddings", made[-1], total=total, completed=len(made))
        return np.vstack(made).reshape(chunks, speakers, -1)

    def _pooled(self, file: Any, segmentations: Any, exclude_overlap: bool) -> Iterator[Any]:
        """Mean and spread of the frames of every chunk's speakers, one tensor (features,) each."""
        import torch

        embedding, audio = self._pipeline._embedding, self._pipeline._audio
        resnet = embedding.model_.resnet
        silent = torch.zeros(resnet.pool_out_dim)
        least = -1
        if exclude_overlap:
            samples = segmentations.sliding_window.duration * embedding.sample_rate
            least = math.ceil(segmentations.data.shape[1] * embedding.min_num_samples / samples)
        for segment, active in segmentations:
            masks = (
                np.where((alone := clean(active)).sum(axis=0) > least, alone, active)
                if exclude_overlap
                else active
            )
            frames = None
            for mask in np.ascontiguousarray(masks.T, np.float32):
                if not mask.any():
                    yield silent
                    continue
                if frames is None:
                    waveform, _ = audio.crop(file, segment, mode="pad")
                    frames = self._networks.frames(waveform[None])
                yield resnet.pool(frames, weights=torch.from_numpy(mask)[None])[0]


def clean(active: NDArray[np.float32]) -> NDArray[np.float32]:
    """Activity, (frames, speakers), without the frames in which several speak.

    >>> clean(np.array([[1, 0], [1, 1], [0, 0]], np.float32)).tolist()
    [[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    """
    return np.where(active.sum(axis=1, keepdims=True) < 2, active, 0)


def bounded(clustering: Any) -> Callable[..., tuple[Any, Any, Any]]:
    """The library's clustering, asked for no more people than there are different vectors to tell them by.

    Stock raises an error there, or gives a person without a vector; and it averages nothing where there is no
    vector at all.
    """

    def cluster(
        embeddings: NDArray[np.float32],
        segmentations: Any,
        num_clusters: int | None = None,
        min_clusters: int | None = None,
        max_clusters: float | None = None,
        **others: Any,
    ) -> tuple[Any, Any, Any]:
        found, *_ = clustering.filter_embeddings(embeddings, segmentations=segmentations)
        vectors = len(np.unique(found, axis=0))
        if not vectors:
            chunks, speakers, dimension = embeddings.shape
            everybody = np.zeros((chunks, speakers), np.int8)
            return everybody, np.ones((chunks, speakers, 1)), np.zeros((1, dimension))
        result: tuple[Any, Any, Any] = clustering(
            embeddings=embeddings,
            segmentations=segmentations,
            num_clusters=num_clusters and min(num_clusters, vectors),
            min_clusters=min_clusters and min(min_clusters, vectors),
            max_clusters=max_clusters and min(max_clusters, vectors),
            **others,
        )
        return result

    return cluster


def thinned(filter_embeddings: Callable[..., tuple[Any, Any, Any]]) -> Callable[..., tuple[Any, Any, Any]]:
    """The choice of vectors to cluster, with at most LONG_VECTORS of them in a recording of over an hour."""

    def choose(embeddings: Any, segmentations: Any, **others: Any) -> tuple[Any, Any, Any]:
        chosen = filter_embeddings(embeddings, segmentations=segmentations, **others)
        step, vectors = segmentations.sliding_window.step, len(chosen[0])
        if (len(segmentations.data) - 1) * step <= LONG_SECONDS or vectors <= LONG_VECTORS:
            return chosen
        kept = np.linspace(0, vectors - 1, LONG_VECTORS).round().astype(np.int64)
        return chosen[0][kept], chosen[1][kept], chosen[2][kept]

    return choose


def reconstruct(segmentations: Any, hard_clusters: NDArray[np.int8], count: Any) -> Any:
    """Who of the whole recording's people speaks when: 0 or 1, a SlidingWindowFeature (frames, people).

    In every frame the ``count`` people with the most of the chunks' activity speak; people of no chunk there
    may be among them when count asks for more. Equal to the library's to the bit.
    """
    from pyannote.core import SlidingWindow, SlidingWindowFeature

    chunks, size, _ = segmentations.data.shape
    window = segmentations.sliding_window
    frames = SlidingWindow(
        start=window.start, duration=count.sliding_window.duration, step=count.sliding_window.step
    )
    half = 0.5 * frames.duration
    length = frames.closest_frame(window.start + window.duration + (chunks - 1) * window.step + half) + 1
    people = int(hard_clusters.max()) + 1
    total = np.zeros((length, max(people, int(count.data.max()))), np.float32)
    for (segment, active), clusters in zip(segmentations, hard_clusters, strict=True):
        start = frames.closest_frame(segment.start + half)
        for person in np.unique(clusters[clusters >= 0]):
            total[start : start + size, person] += active[:, clusters == person].max(axis=1)
    activations = SlidingWindowFeature(total, frames)
    extent = activations.extent & count.extent
    activations = activations.crop(extent, return_data=False)
    wanted = count.crop(extent, return_data=False).data
    order = np.argsort(-activations.data, axis=-1)
    length = min(len(order), len(wanted))
    spoken = np.zeros_like(activations.data)
    named = np.arange(order.shape[1]) < wanted[:length]
    np.put_along_axis(spoken[:length], order[:length], named.astype(spoken.dtype), axis=1)
    return SlidingWindowFeature(spoken, activations.sliding_window)
