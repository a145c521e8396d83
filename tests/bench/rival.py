"""The server that one would write first: FastAPI, SQLAlchemy on asyncpg, offset, limit and count; no roles, no keys."""

import os
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import FastAPI, HTTPException
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, String, Table, and_, func, select
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.ext.asyncio import create_async_engine

app = FastAPI()
engine = create_async_engine(os.environ["RIVAL_DATABASE"], pool_size=8)
SHOWN = (
    Column("id", BigInteger, primary_key=True), Column("camera_id", String),
    Column("started_at", DateTime(timezone=True)), Column("ended_at", DateTime(timezone=True)),
    Column("state", String), Column("risk_score", Integer), Column("risk_level", String), Column("scored_by", String),
    Column("summary", String), Column("reasoning", String), Column("object_types", ARRAY(String)),
    Column("zones", ARRAY(BigInteger)), Column("detection_count", Integer), Column("reviewed", Boolean),
    Column("reviewed_by", String), Column("reviewed_at", DateTime(timezone=True)), Column("notes", String),
    Column("kept", Boolean), Column("version", Integer),
)  # fmt: skip
HIDDEN = (
    Column("deleted_at", DateTime(timezone=True)), Column("merged_into_id", BigInteger), Column("search", TSVECTOR),
)  # fmt: skip
events = Table("events_event", MetaData(), *SHOWN, *HIDDEN)
VISIBLE = and_(events.c.deleted_at.is_(None), events.c.merged_into_id.is_(None))


async def rows(statement: Any) -> list[dict[str, Any]]:
    """Give the rows as dictionaries."""
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


@app.get("/events")
async def list_events(
    *, limit: int = 50, offset: int = 0, camera: str = "", risk_level: str = "", object_type: str = "", q: str = ""
) -> dict[str, Any]:
    """List events, newest first, with their number."""
    conditions = [VISIBLE]
    if camera:
        conditions.append(events.c.camera_id == camera)
    if risk_level:
        conditions.append(events.c.risk_level == risk_level)
    if object_type:
        conditions.append(events.c.object_types.overlap([object_type]))
    if q:
        conditions.append(events.c.search.op("@@")(func.websearch_to_tsquery("english", q)))
    found = select(*SHOWN).where(*conditions).order_by(events.c.started_at.desc(), events.c.id.desc())
    (counted,) = await rows(select(func.count().label("total")).select_from(events).where(*conditions))
    return {"results": await rows(found.limit(limit).offset(offset)), **counted}


@app.get("/events/{event_id}")
async def get_event(event_id: int) -> dict[str, Any]:
    """Give one event."""
    found = await rows(select(*SHOWN).where(VISIBLE, events.c.id == event_id))
    if not found:
        raise HTTPException(404)
    return found[0]


@app.get("/summary")
async def summary() -> list[dict[str, Any]]:
    """Count the events of 30 days by day, level and review."""
    day = func.date_trunc("day", events.c.started_at, "UTC").label("day")
    counted = select(day, events.c.risk_level, events.c.reviewed, func.count().label("number"))
    recent = events.c.started_at >= datetime.now(UTC) - timedelta(days=30)
    return await rows(counted.where(VISIBLE, recent).group_by(day, events.c.risk_level, events.c.reviewed))
