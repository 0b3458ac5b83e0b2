"""Copies of a workspace, and putting one back.

A backup is a folder with the database, its key file and its head file, under their
own names. It is made under another name and renamed when it is whole.
"""

import contextlib
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from issuetrack.engine.errors import NotFoundError, StoreError, UsageError
from issuetrack.engine.store.audit_head import HeadFile, head_file_path
from issuetrack.engine.store.connections import Progress
from issuetrack.engine.store.database import CONTENT, Database
from issuetrack.engine.store.file_guard import (
    FileGuard,
    is_open_elsewhere,
    restored_path,
)
from issuetrack.engine.store.file_system import refuse_network
from issuetrack.engine.store.keyslots import KeyFile, key_file_path, sync_folder
from issuetrack.engine.store.sqlcipher import cannot_create

STAMP = "%Y%m%dT%H%M%S%fZ"
LOG_ENDS = ("-wal", "-shm")


def backup(
    database: Database, folder: Path, now: datetime, progress: Progress | None = None
) -> Path:
    """Copy a workspace to a new folder inside `folder`, while others write.

    The key file is that of the copied state, whatever becomes of it meanwhile.

    Raises:
        StoreError: there is no room, or the folder cannot be written to.
    """
    name = database.path.name
    target = folder / f"{name}-{now.strftime(STAMP)}"
    making = folder / f".{target.name}.making"
    try:
        making.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise StoreError(
            f"cannot write to {folder}: {error.strerror}", "choose another --to"
        ) from error
    try:
        database.snapshot(making / name, progress)
        copy = Database(making / name, database.keychain)
        try:
            with copy.read() as uow:
                keys = KeyFile.parse(uow.setting(CONTENT) or "")
                last = uow.sql(
                    "SELECT sequence, hash FROM audit_entry "
                    "ORDER BY sequence DESC LIMIT 1"
                )
            problems = copy.integrity_problems()
        finally:
            copy.close()
        if problems:
            raise StoreError(f"the copy is not sound: {problems[0]}", "try again")
        keys.save(key_file_path(making / name))
        HeadFile(making / name).put(*last[0])
        for end in (*LOG_ENDS, ".lock"):
            (making / f"{name}{end}").unlink(missing_ok=True)
        sync_folder(making)
        making.rename(target)
        sync_folder(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def backups_of(name: str, folder: Path) -> list[Path]:
    """Return the backups of a database in a folder, oldest first."""
    found = (p for p in folder.glob(f"{glob.escape(name)}-*Z") if (p / name).is_file())
    return sorted(found)


def prune(name: str, folder: Path, keep: int) -> list[Path]:
    """Remove all but the newest backups of a database; return those removed."""
    removed = backups_of(name, folder)[:-keep]
    for path in removed:
        shutil.rmtree(path)
    return removed


def database_in(folder: Path) -> Path:
    """Return the database in a backup.

    Raises:
        NotFoundError: there is none, or its key file is missing.
    """
    keys = sorted(folder.glob("*.keys")) if folder.is_dir() else []
    found = [path.with_suffix("") for path in keys]
    if len(found) != 1 or not found[0].is_file():
        raise NotFoundError(
            f"{folder} is not a backup: it holds no database with its key file",
            "name a folder that `issuetrack db backup` made",
        )
    return found[0]


def _waiting(target: Path) -> tuple[Path, Path]:
    return target.with_name(f"{target.name}.restoring"), restored_path(target)


@contextmanager
def staged(source: Path, target: Path) -> Iterator[Path]:
    """Copy a backup beside its target, give it to the block, then put it in place.

    What was at the target is kept in a folder of its own.

    Raises:
        StoreError: somebody has the target open, or there is no room.
    """
    with assembled(target) as copy:
        pairs = (
            (source, copy),
            (key_file_path(source), key_file_path(copy)),
            (head_file_path(source), head_file_path(copy)),
        )
        for old, new in pairs:
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(old, new)
                new.chmod(0o600)
                _sync(new)
        yield copy


@contextmanager
def assembled(target: Path) -> Iterator[Path]:
    """Have the block make a workspace beside its target, then put it in place.

    Killed before it is ready nothing has changed; killed after, the next to open the
    target finishes.

    Raises:
        StoreError: somebody has the target open, or there is no room.
    """
    making, ready = _waiting(target)
    if ready.exists():
        raise StoreError(f"{ready} is in the way", "issuetrack doctor finishes it")
    refuse_network(target)
    shutil.rmtree(making, ignore_errors=True)
    _refuse_while_open(target)
    try:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            making.mkdir(mode=0o700)
        except OSError as error:
            raise cannot_create(target, error) from error
        copy = making / target.name
        yield copy
        for end in (*LOG_ENDS, ".lock"):
            Path(f"{copy}{end}").unlink(missing_ok=True)
        sync_folder(making)
        making.rename(ready)
        sync_folder(target.parent)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    finish_restore(target)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_while_open(target: Path) -> None:
    """Refuse to replace a database that another process has open."""
    if target.exists() and is_open_elsewhere(target):
        raise StoreError(
            f"another program has {target.name} open",
            "close it (issuetrack programs, cron jobs, the exporter), then try again",
        )


def finish_restore(target: Path) -> None:
    """Put a restored workspace in its place, if one is ready beside it."""
    ready = _waiting(target)[1]
    if not ready.exists():
        return
    guard = FileGuard(target)
    try:
        with guard.alone():
            if not ready.exists():
                return
            _refuse_while_open(target)
            aside = _aside(target, ready / "aside")
            for path, beside in (
                (key_file_path(target), ()),
                (head_file_path(target), ()),
                (target, (*LOG_ENDS, ".rekeying", ".rekeyed")),
            ):
                _exchange(ready / path.name, path, beside, aside)
            shutil.rmtree(ready)
            with contextlib.suppress(OSError):
                aside.rmdir()
            sync_folder(target.parent)
    finally:
        guard.close()


def _aside(target: Path, note: Path) -> Path:
    """Return the folder for what was there; the note keeps it through a kill."""
    if not note.exists():
        number = 1
        while target.with_name(f"{target.name}.before-restore-{number}").exists():
            number += 1
        made = note.with_name("aside.new")
        made.write_text(f"{target.name}.before-restore-{number}", encoding="utf-8")
        made.rename(note)
    aside = target.with_name(note.read_text(encoding="utf-8"))
    aside.mkdir(exist_ok=True, mode=0o700)
    return aside


def _exchange(new: Path, old: Path, beside: tuple[str, ...], aside: Path) -> None:
    """Move a file aside, with those that belong to it, and another into its place."""
    if not new.exists():
        return
    for path in (*(Path(f"{old}{end}") for end in beside), old):
        with contextlib.suppress(FileNotFoundError):
            path.rename(aside / path.name)
    new.rename(old)


def checked_keep(keep: int | None) -> int | None:
    """Return how many backups to keep.

    Raises:
        UsageError: it is less than one.
    """
    if keep is not None and keep < 1:
        raise UsageError(f"--keep {keep} would keep none", "keep 1 or more")
    return keep
