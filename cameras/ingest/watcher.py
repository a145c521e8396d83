"""Watches the camera root and hands every whole file on, once.

Events of the kernel (inotify, through watchdog) tell at once what was closed or moved in. They are hints: what they
miss, the walk at the start and the one every few seconds finds. A file stays where it is until it is taken, so
stopping at any point loses nothing. One thread decides; a few take files in.
"""

import errno
import math
import os
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import structlog
from django.db import InterfaceError, OperationalError, close_old_connections

from cameras.ingest.hints import Hint, RootObserver
from cameras.ingest.ready import Job, ReadyFiles
from cameras.ingest.scan import Found, look_at, walk
from cameras.ingest.settled import SettledFiles
from cameras.ingest.stability import Evidence, Kind, Look, Verdict, WaitingFiles, kind_of
from cameras.results import CAMERA_IS_DELETED, WAITS_FOR_A_CAMERA, IntakeOutcome, IntakeResult
from siteadmin.core.heartbeat import LOOSE

logger = structlog.get_logger(__name__)

Accept = Callable[[Sequence[tuple[Path, bool]]], list[IntakeResult]]
"""Takes files in, each with whether it has failed if it does not decode."""

RESCAN_EVERY = timedelta(seconds=10)
THREADS = 3
"""Decoding and the disk leave the interpreter free; more threads than this gain nothing on two cores."""
TOGETHER = 8
"""Pictures that are taken in by one transaction: half the work of one each, and a new one hardly waits for them."""
TOGETHER_BYTES = 8 * 1024 * 1024
"""As they are in memory at once."""
IDLE_WAIT = 0.2
STEPS_A_TURN = 100
"""Entries of a walk, or events, looked at before what is ready gets its turn."""
MOST_READY = 5_000
"""Files in view that are to be taken in, and as many that may still grow; the others wait for the next walk."""
MOST_SETTLED = 2_000_000
"""Files that stay in their folders and are known to; more than these are read again by every walk, and found known."""
LONGEST_PAUSE = 5.0
SIGN_EVERY = 5.0
LONGEST_RETRY = 60.0
STORAGE_OUTAGES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


@dataclass(frozen=True, slots=True)
class _Done:
    jobs: list[Job]
    future: "Future[list[IntakeResult]]"


class Watcher:
    """Runs until it is told to stop; `counts` says what became of the files it met, `walks` how often it met all."""

    def __init__(
        self,
        root: Path,
        *,
        accept: Accept,
        stable: timedelta,
        threads: int = THREADS,
        together: int = TOGETHER,
        rescan: timedelta = RESCAN_EVERY,
        alive: Callable[["Watcher"], None] | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.walks = 0
        self.left: Counter[str] = Counter()
        """Files of kinds that are not taken, by suffix, since the start; under `LOOSE` those in no camera's folder."""
        self._root = str(root.absolute())
        self._accept = accept
        self._alive, self._next_sign = alive, 0.0
        self._stable = stable.total_seconds()
        self._threads, self._together = threads, together
        self._rescan = rescan.total_seconds()
        self._inbox: queue.SimpleQueue[Hint | _Done] = queue.SimpleQueue()
        self._observer = RootObserver(self._root, tell=self._inbox.put)
        self._waiting = WaitingFiles(stable=stable)
        self._ready = ReadyFiles(most=MOST_READY)
        self._flying: dict[str, Evidence | None] = {}
        """Files ready or being taken in, each with what an event said of it meanwhile."""
        self._submitted = 0
        self._walks: deque[tuple[Iterator[Found], Evidence]] = deque()
        self._full_walk: Iterator[Found] | None = None
        self._next_walk = 0.0
        self._left_out = False
        """Whether there were more files than are held in view, so that another walk finds further ones."""
        self._settled = SettledFiles(most=MOST_SETTLED)
        self._is_full = False
        self._muted: set[str] = set()
        """Top folders whose files stay where they are until the next full walk asks again."""
        self._retries: dict[str, tuple[float, float]] = {}
        self._paused_until = 0.0
        self._pause = 0.0
        self._said: set[tuple[str, str]] = set()

    @property
    def is_watching(self) -> bool:
        """Whether the first walk through the root is over."""
        return self.walks > 0

    def run(self, stop: threading.Event) -> None:
        """Watch until `stop` is set; what is being taken in then is finished."""
        logger.info("watching", root=self._root)
        with ThreadPoolExecutor(self._threads, thread_name_prefix="intake") as pool:
            try:
                while not stop.is_set():
                    self._observe()
                    self._turn(pool)
            finally:
                self._ready.clear()
                self._observer.stop()

    def run_once(self) -> None:
        """Take in what is there now, waiting until each file is whole, and return."""
        with ThreadPoolExecutor(self._threads, thread_name_prefix="intake") as pool:
            self._next_walk = 0.0
            self._turn(pool)
            while self._full_walk or self._walks or self._left_out or self._flying or len(self._waiting):
                self._next_walk = time.monotonic() + self._rescan
                self._turn(pool)

    def _turn(self, pool: ThreadPoolExecutor) -> None:
        """Do one round: hear events, look at what waits, walk a bit, take in."""
        now = time.monotonic()
        is_walking = bool(self._full_walk or self._walks) or now >= self._next_walk
        self._hear(0.0 if is_walking else IDLE_WAIT)
        now = time.monotonic()
        for path in list(self._waiting.due(now=now)):
            self._consider(path, Evidence.SEEN)
        for path, (retry_at, _) in list(self._retries.items()):
            if retry_at <= now and path not in self._flying:
                self._consider(path, Evidence.CLOSED, retry=True)
        self._begin_full_walk(now)
        self._walk_on()
        if self._alive is not None and now >= self._next_sign:
            self._next_sign = now + SIGN_EVERY
            self._alive(self)
        if now >= self._paused_until:
            # One more than there are threads, so that none waits for this one; what is handed on is out of the order.
            while len(self._ready) and self._submitted <= self._threads:
                share = min(math.ceil(len(self._ready) / self._threads), self._together)
                self._submit(pool, self._ready.take(most=share, size=TOGETHER_BYTES))

    def _hear(self, wait: float) -> None:
        """Hear what happened, waiting so long for the first of it."""
        try:
            for _ in range(STEPS_A_TURN):
                message = self._inbox.get(timeout=wait) if wait else self._inbox.get_nowait()
                wait = 0.0
                if isinstance(message, _Done):
                    self._finish(message)
                elif message.folder:
                    self._walks.appendleft((self._walk(message.path), message.evidence))
                else:
                    self._consider(message.path, message.evidence, newness=time.time())
        except queue.Empty:
            return

    # What to do with a file

    def _consider(
        self,
        path: str,
        evidence: Evidence,
        *,
        found: Found | None = None,
        newness: float | None = None,
        retry: bool = False,
    ) -> None:
        """Look at a file and have it taken in, if it is time; it is as new as its last change, if nothing is said."""
        top = self._top_folder(path)
        kind = kind_of(path)
        if top is None and found is not None and kind in (Kind.PICTURE, Kind.CLIP) and not self._is_hidden(path):
            self._leave_loose(found)
            return
        if top is None or top in self._muted or kind is Kind.UNFINISHED or self._is_hidden(path):
            self._waiting.forget(path)
            return
        if path in self._flying:
            if evidence is not Evidence.SEEN:
                self._flying[path] = evidence
            return
        if path in self._retries and not retry:
            return
        found = found or look_at(path)
        if found is None:
            self._waiting.forget(path)
            self._retries.pop(path, None)
            return
        mark = hash((path, found.look))
        if self._settled.meet(mark):
            return
        if kind is Kind.OTHER:
            self._settle(mark)
            self.counts["passed_over"] += 1
            self.left[Path(path).suffix.lower()[:12] or "none"] += 1
            return
        if newness is None:
            newness = min(found.look.mtime_ns / 1e9, time.time())
        if not self._ready.has_room_for(newness) or (len(self._waiting) >= MOST_READY and path not in self._waiting):
            self._left_out = True
            self._waiting.forget(path)
            return
        verdict = self._waiting.note(path, found.look, evidence, now=time.monotonic())
        if verdict is not Verdict.WAIT:
            self._hold(Job(path, found.look, final=verdict is Verdict.TAKE, newness=newness, alone=retry))

    def _leave_loose(self, found: Found) -> None:
        """Say that a file lies right in the root, where it is no camera's; a walk tells, as others pass through."""
        mark = hash((found.path, found.look))
        if not self._settled.meet(mark):
            self._settle(mark)
            self.left[LOOSE] += 1
            self._say_left("", camera_id=None, reason="It lies in no camera's folder")

    def _hold(self, job: Job, *, meanwhile: Evidence | None = None) -> None:
        """Let a file wait for its turn; `meanwhile` is what an event said of it since it was looked at."""
        self._flying[job.path] = meanwhile
        left_out = self._ready.add(job)
        if left_out is not None:
            self._left_out = True
            self._drop(left_out)

    def _drop(self, job: Job) -> None:
        self._flying.pop(job.path)
        self._waiting.forget(job.path)

    def _submit(self, pool: ThreadPoolExecutor, jobs: list[Job]) -> None:
        for job in jobs:
            if self._top_folder(job.path) in self._muted:
                self._drop(job)
        jobs = [job for job in jobs if job.path in self._flying]
        if jobs:
            self._submitted += 1
            future = pool.submit(self._take, jobs)
            future.add_done_callback(lambda done: self._inbox.put(_Done(jobs, done)))

    def _take(self, jobs: list[Job]) -> list[IntakeResult]:
        is_done = False
        try:
            results = self._accept([(Path(job.path), job.final) for job in jobs])
            is_done = True
            return results
        finally:
            # In a burst a thread keeps its connection, unless something was wrong with it.
            if not is_done or not len(self._ready):
                close_old_connections()

    def _finish(self, done: _Done) -> None:
        """Note what became of files that were taken in together."""
        self._submitted -= 1
        error = done.future.exception()
        if error is not None:
            self._postpone(done.jobs, error)
            return
        self._pause = 0.0
        for job, result in zip(done.jobs, done.future.result(), strict=True):
            self._note(job, result)

    def _note(self, job: Job, result: IntakeResult) -> None:
        """Note what became of a file."""
        path, look = job.path, job.look
        meanwhile = self._flying.pop(path, None)
        self._retries.pop(path, None)
        self.counts[result.outcome] += 1
        if result.outcome is IntakeOutcome.UNDECIDED:
            self._waiting.undecided(path, look, now=time.monotonic())
        else:
            self._waiting.forget(path)
            if result.outcome is IntakeOutcome.IGNORED:
                self._ignore(path, look, result)
            elif result.settled and (left := look_at(path)) is not None:
                # Kept, or not to be removed; or another picture under the same name.
                if left.look == look:
                    self._settle(hash((path, look)))
                else:
                    meanwhile = meanwhile or Evidence.SEEN
        if meanwhile is not None:
            self._consider(path, meanwhile)

    def _ignore(self, path: str, look: Look, result: IntakeResult) -> None:
        top = self._top_folder(path) or ""
        if result.camera_id is not None and result.reason == CAMERA_IS_DELETED:
            self._muted.add(top)
        elif result.reason == WAITS_FOR_A_CAMERA:
            self._retries[path] = (time.monotonic() + LONGEST_RETRY, LONGEST_RETRY)
        else:
            self._settle(hash((path, look)))
        self._say_left(top, camera_id=result.camera_id, reason=result.reason)

    def _say_left(self, top: str, *, camera_id: str | None, reason: str) -> None:
        if (top, reason) not in self._said:
            self._said.add((top, reason))
            logger.warning("files_left_alone", folder=top, camera=camera_id, reason=reason)

    def _postpone(self, jobs: list[Job], error: BaseException) -> None:
        """Keep files that could not be taken for another try; an outage lets all others wait too."""
        if not isinstance(error, Exception):
            raise error
        now = time.monotonic()
        is_outage = isinstance(error, (OperationalError, InterfaceError)) or (
            isinstance(error, OSError) and error.errno in STORAGE_OUTAGES
        )
        if is_outage and now >= self._paused_until:  # what was under way fails together: one pause for all
            self._pause = min(self._pause * 2 or 0.5, LONGEST_PAUSE)
            self._paused_until = now + self._pause
            logger.warning("intake_paused", seconds=self._pause, error=str(error))
        for job in jobs:
            self.counts["postponed"] += 1
            self._waiting.forget(job.path)
            meanwhile = self._flying.pop(job.path, None)
            if is_outage:
                # Tried, not taken, the next time: it may have changed by then.
                self._hold(replace(job, final=False), meanwhile=meanwhile)
            elif len(jobs) > 1:
                # One of them is the trouble, and the others shall not share it.
                self._hold(replace(job, alone=True), meanwhile=meanwhile)
            else:
                wait = min(self._retries.get(job.path, (0.0, 1.0))[1] * 2 or 2.0, LONGEST_RETRY)
                self._retries[job.path] = (now + wait, wait)
                logger.error("file_not_taken", path=job.path, retry_seconds=wait, exc_info=error)

    def _settle(self, mark: int) -> None:
        if not self._settled.add(mark) and not self._is_full:
            self._is_full = True
            logger.warning("too_many_files_stay", known=MOST_SETTLED)

    # Walks

    def _begin_full_walk(self, now: float) -> None:
        has_room = self._left_out and max(len(self._ready), len(self._waiting)) < MOST_READY // 2
        if self._full_walk is not None or (now < self._next_walk and not has_room):
            return
        self._left_out = False
        self._settled.begin_walk()
        self._muted.clear()
        self._full_walk = self._walk(self._root)

    def _walk(self, folder: str) -> Iterator[Found]:
        return walk(folder, on_unreadable=self._unreadable)

    def _walk_on(self) -> None:
        """Go on with the walks, new folders first."""
        for _ in range(STEPS_A_TURN):
            walk_now, evidence = self._walks[0] if self._walks else (self._full_walk, None)
            if walk_now is None:
                return
            found = next(walk_now, None)
            if found is not None:
                self._consider(found.path, evidence or self._judge_age(found), found=found)
            elif self._walks:
                self._walks.popleft()
            else:
                self._end_full_walk()

    def _end_full_walk(self) -> None:
        self._full_walk = None
        self.walks += 1
        self._settled.end_walk()
        self._next_walk = time.monotonic() + self._rescan

    def _judge_age(self, found: Found) -> Evidence:
        """Tell from a file's times whether somebody may still be writing it; the future tells nothing."""
        age = time.time() - found.changed
        return Evidence.CLOSED if age > self._stable else Evidence.SEEN

    def _unreadable(self, folder: str, error: OSError) -> None:
        if (folder, "unreadable") not in self._said:
            self._said.add((folder, "unreadable"))
            logger.warning("folder_unreadable", folder=folder, error=str(error))

    def _top_folder(self, path: str) -> str | None:
        below = path.removeprefix(self._root + os.sep)
        top, separator, _ = below.partition(os.sep)
        return top if separator and below != path else None

    def _is_hidden(self, path: str) -> bool:
        return f"{os.sep}." in path[len(self._root) :]

    def _observe(self) -> None:
        """Have the root observed; without events the walks still find everything."""
        if time.monotonic() < self._next_walk and self._observer.is_started:
            return
        try:
            self._observer.observe()
        except OSError as error:
            self._unreadable(self._root, error)
