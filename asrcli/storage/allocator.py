"""glibc's allocator: whether freed memory is returned to the system. Does nothing with other allocators."""

import ctypes
from collections.abc import Mapping
from contextlib import suppress

#: parameters of mallopt (malloc.h)
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8


def return_freed_memory() -> None:
    """Return large blocks to the system. By default, the first large block that is freed makes the allocator keep all
    later ones of that size in a heap that fragments, and there are eight such heaps for each processor.
    """
    _set({_MMAP_THRESHOLD: 1 << 20, _TRIM_THRESHOLD: 16 << 20, _ARENA_MAX: 2})


def return_audio_blocks() -> None:
    """Return blocks of 512 KiB and more to the system, and keep smaller ones in one heap: for a process whose threads
    read audio in blocks of 256 KiB, of which some seconds are held. With 128 KiB a run takes 4 % more CPU time.
    """
    _set({_MMAP_THRESHOLD: 512 << 10, _TRIM_THRESHOLD: 4 << 20, _ARENA_MAX: 1})


def return_small_blocks() -> None:
    """Return the pages of freed small blocks to the system, which the allocator keeps in an arena for each of many
    threads. Takes milliseconds: call it in a thread.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def keep_freed_memory() -> None:
    """Keep up to 1 GB of freed memory. Blocks of an engine that frees and allocates tens of megabytes at every layer
    would be mapped and filled with zeros by the system each time.
    """
    # Arenas of threads have at most 64 MB: larger blocks of theirs would be mapped in any case.
    _set({_ARENA_MAX: 1, _MMAP_MAX: 0, _TRIM_THRESHOLD: 1 << 30})


def reuse_freed_blocks(*, heaps: int | None = 1) -> bool:
    """Keep blocks of up to 8 MB in so many heaps for all threads (None: as many as there are), which return what is
    free at their end from 16 MB on. The layers of a network, which free and allocate some megabytes each, share them in
    all threads, and the system maps none of them anew. Returns false where the allocator is another one.
    """
    parameters = {_MMAP_THRESHOLD: 8 << 20, _TRIM_THRESHOLD: 16 << 20}
    return _set(parameters if heaps is None else {**parameters, _ARENA_MAX: heaps})


def _set(parameters: Mapping[int, int]) -> bool:
    with suppress(OSError, AttributeError):
        adjust = ctypes.CDLL(None).mallopt
        taken = [adjust(parameter, value) for parameter, value in parameters.items()]
        return all(taken)
    return False
