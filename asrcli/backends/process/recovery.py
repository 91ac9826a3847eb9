"""What is done one at a time once the engine process has exited, so that its next exit has one cause."""

from collections import deque
from collections.abc import Callable, Container, Iterable

from asrcli.backends.process.engine_job import EngineJob


class Recovery:
    """The jobs that may have run, and the services that were being loaded, when the process exited. Empty in normal
    work.
    """

    def __init__(self) -> None:
        self._jobs: deque[EngineJob] = deque()
        self._loads: deque[str] = deque()
        #: the step at present: a job, or the name of a service that is being loaded
        self.job: EngineJob | None = None
        self.load: str | None = None
        #: jobs that had no start: they wait for the end of the recovery
        self.later: list[EngineJob] = []

    @property
    def stepping(self) -> bool:
        """Whether the process does one thing, for a recovery."""
        return self.job is not None or self.load is not None

    @property
    def at_work(self) -> bool:
        """Whether there is a step, or one to come."""
        return self.stepping or bool(self._jobs or self._loads)

    @property
    def jobs(self) -> list[EngineJob]:
        """Those that are not answered."""
        return [*([self.job] if self.job is not None else []), *self._jobs]

    def add(self, jobs: Iterable[EngineJob], loads: Iterable[str]) -> None:
        """Do these one at a time as well."""
        self._jobs.extend(jobs)
        self._loads.extend(loads)

    def drop(self, unwanted: Callable[[EngineJob], bool]) -> list[EngineJob]:
        """Forget jobs that are not at work, and return them."""
        dropped = [job for job in self._jobs if unwanted(job)]
        self._jobs = deque(job for job in self._jobs if not unwanted(job))
        return dropped

    def done(self) -> EngineJob | None:
        """The process has ended its step; the job, if it was one."""
        job, self.job, self.load = self.job, None, None
        return job

    def failed(self) -> tuple[EngineJob | None, str | None]:
        """The process has exited in its step, which is returned: a job, or the name of a service."""
        load, job = self.load, self.done()
        if job is not None:  # the cause is known, so the services may be loaded beside others again
            self._loads.clear()
        return job, load

    def take_later(self) -> list[EngineJob]:
        """The jobs that had no start, once."""
        later, self.later = self.later, []
        return later

    def next(self, ready: Container[str], services: Container[str]) -> EngineJob | str | None:
        """Begin the next step and return it: a job, or a service to load, as the first job needs it or it was being
        loaded. None: a step runs, or none is left. `ready`: what the process has loaded of all `services`, which have
        those of all jobs.
        """
        if self.stepping:
            return None
        if self._jobs and self._jobs[0].service in ready:
            self.job = self._jobs.popleft()
            return self.job
        if self._jobs:
            self.load = self._jobs[0].service
            return self.load
        while self._loads and self.load is None:
            name = self._loads.popleft()
            self.load = name if name in services and name not in ready else None
        return self.load
