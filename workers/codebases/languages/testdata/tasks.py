"""Tasks and how they are retried."""
import asyncio
import os.path as osp
from dataclasses import dataclass, field
from typing import Optional as Maybe
from . import errors
from .policies import *

MAX_ATTEMPTS = 3
_registry = {}


class TaskError(errors.Base, Exception):
    """Raised when a task fails for good."""


@dataclass
class Task(Generic[T]):
    """A unit of work. It runs once.

    More words.
    """

    name: str
    attempts: int = 0
    limit = MAX_ATTEMPTS

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def path(self) -> Maybe[str]:
        return osp.join("tasks", self.name)

    async def run(self, context: "Context", retries: list[Policy]) -> None:
        # Runs until it succeeds.
        try:
            await asyncio.sleep(0)
        except errors.Timeout as error:
            raise TaskError(self.name) from error


def register(task: Task) -> Task:
    """Makes a task known by its name."""

    def inner():
        return task

    _registry[task.name] = task
    return inner()


def _forget(name):
    del _registry[name]


register(Task("first"))
