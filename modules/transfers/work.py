"""The work of an import, which may be taken up again by another process at any point.

Two passes over the file where nothing may be written if one row is bad: the first one only judges. Whatever is about to
be changed is noted before it is, so that it can be undone; what was written says whose it is, so that work that is
taken up again knows what was done already.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bson import ObjectId

from core.clock import utc_now
from core.database import patient
from modules.students import Outcome, Write, find_by_id, find_many, versions_of, write_all
from modules.transfers import files, undo
from modules.transfers.judge import Kind, Verdict, judge
from modules.transfers.metrics import ROWS
from modules.transfers.models import FailedRow, Import, State, Touched
from modules.transfers.reading import batches
from modules.transfers.table import Fault, Header, InvalidFile, Row, header_of, open_text

MAX_TRIES = 10
PAUSE_SECONDS = 0.02

BUSY = Fault("roll_no", "", "busy", "This student is being changed by too many at once.")


async def carry_out(work: Import) -> None:
    """Import the file, or go on where the work was left. How it ended is told by the import's state."""
    try:
        async with files.on_disk(work) as path:
            state = await _carry_out(work, path)
            detail = None
    except InvalidFile as error:
        state, detail = State.FAILED, error.detail
    if state is not State.DONE and work.writing:
        await undo.roll_back(work)
    elif state is not State.DONE:
        await work.set({"created": 0, "updated": 0})
    now = utc_now()
    await work.set({"state": state, "detail": detail, "finished_at": now, "alive_at": now})
    await files.forget(work)


async def _carry_out(work: Import, path: Path) -> State:
    if work.format == "csv":
        with open_text(path) as file:
            header, separator = header_of(file)
        Header.parse(header)
        await work.set({"header": header, "separator": separator})
    if not work.writing:
        if work.options.dry_run or not work.options.skip_errors:
            await _judge_all(work, path)
            if work.options.dry_run:
                return State.DONE
            if work.failed:
                return State.REJECTED
        await work.set({"writing": True, "position": 0, "offset": 0})
    return State.DONE if await _write_all(work, path) else State.REJECTED


async def _judge_all(work: Import, path: Path) -> None:
    counts: Counter[Kind] = Counter()
    async for rows in batches(path, work.format):
        with patient():
            verdicts = await _judge(work, rows)
            await _note_failures(work, verdicts)
            counts.update(verdict.kind for verdict in verdicts)
            await _progress(work, rows, counts)
            _count([one for one in verdicts if one.kind is Kind.FAILED])  # of the others, nothing was done yet
    await work.set({"rows": counts.total()})


async def _write_all(work: Import, path: Path) -> bool:
    """Write all rows behind `position`; whether the work may stand."""
    counts = Counter({kind: getattr(work, kind) for kind in Kind} if work.position else {})
    async for rows in batches(path, work.format):
        left = [row for row in rows if row.number > work.position]
        if not left:
            continue
        with patient():
            verdicts = await _write(left, work)
            await _note_failures(work, verdicts)
            counts.update(verdict.kind for verdict in verdicts)
            await _progress(work, rows, counts)
            _count(verdicts)
        if counts[Kind.FAILED] and not work.options.skip_errors:
            return False  # somebody changed students between the two passes
    await work.set({"rows": work.position})
    return work.options.skip_errors or not counts[Kind.FAILED]


def _count(verdicts: Sequence[Verdict]) -> None:
    for kind, number in Counter(verdict.kind for verdict in verdicts).items():
        ROWS.labels(kind).inc(number)


async def _judge(work: Import, rows: Sequence[Row]) -> list[Verdict]:
    current = await find_many({row.content["roll_no"] for row in rows if not row.faults})
    return [judge(row, current.get(row.content.get("roll_no", "")), work) for row in rows]


async def _write(rows: Sequence[Row], work: Import) -> list[Verdict]:
    """Judge and write some rows. Those whose student is changed at the same moment are judged again."""
    done, left = await _already_written(rows, work)
    for _ in range(MAX_TRIES):
        verdicts = await _judge(work, left)
        writes = [(one, one.write(work)) for one in verdicts if one.kind in (Kind.CREATED, Kind.UPDATED)]
        await _note_intent(work, writes)
        outcomes = await write_all([write for _, write in writes])
        left = [one.row for (one, _), outcome in zip(writes, outcomes, strict=True) if outcome is not Outcome.MADE]
        numbers = {row.number for row in left}
        done += [one for one in verdicts if one.row.number not in numbers]
        if not left:
            return done
        await _forget_intent(work, left)
        await asyncio.sleep(PAUSE_SECONDS)  # until a majority has what was faster
    return done + [Verdict(row, Kind.FAILED, faults=[BUSY]) for row in left]


async def _already_written(rows: Sequence[Row], work: Import) -> tuple[list[Verdict], list[Row]]:
    """Of rows that somebody may have begun to write before dying: those that were written, and the others, whose notes
    are forgotten."""
    if not work.resumed:
        return [], list(rows)
    by_number = {row.number: row for row in rows}
    noted = await Touched.find({"import_id": work.id, "row": {"$in": list(by_number)}}).to_list()
    made = await _made_by(work, noted)
    kinds = {note.row: Kind.CREATED if note.created else Kind.UPDATED for note in noted if note.student in made}
    left = [row for row in rows if row.number not in kinds]
    await _forget_intent(work, left)
    return [Verdict(by_number[number], kind) for number, kind in kinds.items()], left


async def _made_by(work: Import, noted: Sequence[Touched]) -> set[ObjectId]:
    """The students whose noted version is there, as the current one or as one that was replaced."""
    current = await find_by_id([note.student for note in noted])
    replaced = await versions_of([(note.student, note.after) for note in noted])
    records = {(student, record.version): record for found in (current, replaced) for student, record in found.items()}
    return {
        ObjectId(note.student)
        for note in noted
        if (record := records.get((note.student, note.after))) and record.source == work.source
    }


async def _note_intent(work: Import, writes: Sequence[tuple[Verdict, Write]]) -> None:
    notes = [
        {
            "import_id": work.id,
            "row": verdict.row.number,
            "student": write.successor.id,
            "before": verdict.current.version if verdict.current else None,
            "created": verdict.kind is Kind.CREATED,
            "expires_at": work.expires_at,
        }
        for verdict, write in writes
    ]
    if notes:
        await Touched.get_motor_collection().insert_many(notes)


async def _forget_intent(work: Import, rows: Sequence[Row]) -> None:
    await Touched.find({"import_id": work.id, "row": {"$in": [row.number for row in rows]}}).delete()


async def _note_failures(work: Import, verdicts: Sequence[Verdict]) -> None:
    failures = [
        {
            "import_id": work.id,
            "row": verdict.row.number,
            "line": verdict.row.line,
            "cells": verdict.row.cells,
            "errors": [asdict(fault) for fault in verdict.faults],
            "expires_at": work.expires_at,
        }
        for verdict in verdicts
        if verdict.faults
    ]
    if failures:
        numbers = [failure["row"] for failure in failures]
        # Noted before by somebody who died without saying how far the work had come.
        await FailedRow.find({"import_id": work.id, "row": {"$in": numbers}}).delete()
        await FailedRow.get_motor_collection().insert_many(failures)


async def _progress(work: Import, rows: Sequence[Row], counts: Counter[Kind]) -> None:
    numbers = {kind.value: counts[kind] for kind in Kind}
    await work.set({"position": rows[-1].number, "offset": rows[-1].offset, "alive_at": utc_now(), **numbers})
