"""The longer statements behind `repositories.py`, which says what each takes and gives."""

LOCK_NEAR = """
SELECT id, started_at, ended_at FROM events_event
WHERE camera_id = %(camera)s AND deleted_at IS NULL AND merged_into_id IS NULL
  AND started_at BETWEEN %(first)s::timestamptz - %(window)s AND %(last)s::timestamptz + %(idle)s
  AND ended_at >= %(first)s::timestamptz - %(idle)s
ORDER BY id FOR NO KEY UPDATE
"""
"""Events of a camera that times from `first` to `last` may join, locked in the order of their ids."""

MOVE_DETECTIONS = """
UPDATE events_detection d SET event_id = pair.kept
FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
WHERE d.event_id = pair.gone
"""
"""Detections of merged events go to those that are kept."""

CARRY_OVER = r"""
UPDATE events_event kept SET
    reviewed = kept.reviewed OR gone.reviewed,
    reviewed_at = COALESCE(kept.reviewed_at, gone.reviewed_at),
    reviewed_by = CASE WHEN kept.reviewed THEN kept.reviewed_by ELSE gone.reviewed_by END,
    kept = kept.kept OR gone.kept,
    notes = concat_ws(E'\n\n', NULLIF(kept.notes, ''), NULLIF(gone.notes, '')),
    risk_score = CASE WHEN kept.scored_by <> 'person' AND gone.person_score IS NOT NULL
                      THEN gone.person_score ELSE kept.risk_score END,
    reasoning = CASE WHEN kept.scored_by <> 'person' AND gone.person_score IS NOT NULL
                     THEN gone.person_reasoning ELSE kept.reasoning END,
    scored_by = CASE WHEN gone.person_score IS NOT NULL THEN 'person' ELSE kept.scored_by END,
    version = kept.version + gone.changes
FROM (
    SELECT pair.kept AS id, bool_or(e.reviewed) AS reviewed, min(e.reviewed_at) AS reviewed_at,
           max(e.reviewed_by) AS reviewed_by, bool_or(e.kept) AS kept,
           string_agg(NULLIF(e.notes, ''), E'\n\n' ORDER BY e.started_at, e.id) AS notes,
           max(e.risk_score) FILTER (WHERE e.scored_by = 'person') AS person_score,
           max(e.reasoning) FILTER (WHERE e.scored_by = 'person') AS person_reasoning,
           sum(e.version - 1) AS changes
    FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
    JOIN events_event e ON e.id = pair.gone
    GROUP BY pair.kept
) AS gone
WHERE kept.id = gone.id
"""
"""What people did to merged events goes to the kept ones; a person's score wins over a computed one."""

MOVE_FEEDBACK = """
UPDATE events_eventfeedback f SET event_id = first.kept
FROM (
    SELECT DISTINCT ON (pair.kept) pair.kept, g.id
    FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
    JOIN events_eventfeedback g ON g.event_id = pair.gone
    ORDER BY pair.kept, g.created_at, g.id
) AS first
WHERE f.id = first.id AND NOT EXISTS (SELECT FROM events_eventfeedback k WHERE k.event_id = first.kept)
"""
"""The first feedback on merged events goes to the kept one, where nobody judged that."""

MARK_MERGED = """
UPDATE events_event e SET merged_into_id = pair.kept, state = 'closed', due_at = NULL,
                          claim_token = NULL, swept_at = NULL
FROM unnest(%(gone)s::bigint[], %(kept)s::bigint[]) AS pair(gone, kept)
WHERE e.id = pair.gone OR e.merged_into_id = pair.gone
"""
"""Merged events, and those merged into them before, point to the kept ones."""

REFRESH = """
UPDATE events_event e SET
    started_at = facts.started_at, ended_at = facts.ended_at,
    detection_count = facts.detection_count, key_detection_id = facts.key_detection_id,
    object_types = ARRAY(
        SELECT d.object_type FROM events_detection d WHERE d.event_id = facts.event_id
        GROUP BY d.object_type ORDER BY count(*) DESC, min(d.detected_at), d.object_type
    ),
    zones = ARRAY(
        SELECT DISTINCT zone FROM events_detection d, unnest(d.zones) AS zone
        WHERE d.event_id = facts.event_id ORDER BY zone
    ),
    last_arrival_at = GREATEST(e.last_arrival_at, clock_timestamp()), state = 'open',
    -- An evaluation under way has not seen the growth: it loses its claim, and another follows.
    due_at = clock_timestamp(), attempts = 0, claim_token = NULL, swept_at = NULL
FROM (
    SELECT event_id, min(detected_at) AS started_at, max(detected_at) AS ended_at,
           count(*) AS detection_count,
           (array_agg(id ORDER BY snapshot_id IS NULL, confidence DESC, id))[1] AS key_detection_id
    FROM events_detection WHERE event_id = ANY(%(ids)s::bigint[]) GROUP BY event_id
) AS facts
WHERE e.id = facts.event_id
"""
"""Events as their detections tell them; they are open and wait for the rules."""

CLOSE_IDLE = """
WITH idle AS (
    SELECT e.id FROM events_event e
    WHERE e.state = 'open' AND e.deleted_at IS NULL AND e.merged_into_id IS NULL
      AND e.last_arrival_at <= statement_timestamp() - %(idle)s
      AND NOT EXISTS (SELECT FROM cameras_snapshot s WHERE s.camera_id = e.camera_id
                      AND s.state = ANY(%(waiting)s))
    ORDER BY e.last_arrival_at LIMIT %(limit)s FOR NO KEY UPDATE OF e SKIP LOCKED
)
UPDATE events_event e SET state = 'closed', due_at = clock_timestamp(), attempts = 0,
                          claim_token = NULL, swept_at = NULL
FROM idle WHERE e.id = idle.id RETURNING e.id
"""
"""Closes events that nothing joined for long, of cameras without waiting pictures; what is locked is left."""

FACTS = """
WITH sighting AS (
    SELECT event_id, detected_at, object_type, count(*) AS number, max(confidence) AS confidence
    FROM events_detection WHERE event_id = ANY(%(ids)s::bigint[])
    GROUP BY event_id, detected_at, object_type
)
SELECT e.id, c.name AS camera_name, c.timezone, e.started_at, e.zones,
    (SELECT jsonb_agg(jsonb_build_array(kind.object_type, kind.confidence, kind.at_once))
     FROM (SELECT object_type, max(confidence) AS confidence, max(number) AS at_once
           FROM sighting WHERE event_id = e.id GROUP BY object_type ORDER BY object_type) AS kind
    ) AS objects,
    (SELECT max(together.number)
     FROM (SELECT sum(number)::int AS number FROM sighting WHERE event_id = e.id GROUP BY detected_at)
          AS together
    ) AS most_at_once,
    (SELECT count(*) FROM events_event b
     WHERE b.camera_id = e.camera_id AND b.deleted_at IS NULL AND b.merged_into_id IS NULL
       AND b.started_at >= e.started_at - %(lookback)s AND b.started_at < e.started_at
    ) AS earlier_events
FROM events_event e JOIN cameras_camera c ON c.id = e.camera_id
WHERE e.id = ANY(%(ids)s::bigint[]) ORDER BY e.id
"""
"""What scoring needs of each event."""

# A text of more than 1 MB cannot be searched; what is cut here no person reads.
_DOCUMENT = """
    setweight(to_tsvector('english', {summary}), 'A')
    || setweight(to_tsvector('english', concat_ws(' ', array_to_string(e.object_types, ' '), c.name)), 'B')
    || setweight(to_tsvector('english', left(e.notes, 50000)), 'C')
    || setweight(to_tsvector('english', left({reasoning}, 50000)), 'D')
"""

WRITE_SEARCH = """
UPDATE events_event e SET search = {document}
FROM cameras_camera c
WHERE e.id = ANY(%(ids)s::bigint[]) AND c.id = e.camera_id
""".replace("{document}", _DOCUMENT.format(summary="e.summary", reasoning="e.reasoning"))
"""The words of events, as they are stored."""

STAGE_EVENTS = """
CREATE TEMPORARY TABLE IF NOT EXISTS staged_event
    (LIKE events_event INCLUDING GENERATED) ON COMMIT DROP
"""
"""Where events that are loaded wait for their words."""

LOAD_EVENTS = """
INSERT INTO events_event ({columns}, search)
SELECT {columns}, words
FROM (SELECT e.*, {document} AS words
      FROM staged_event e JOIN cameras_camera c ON c.id = e.camera_id) AS staged
ORDER BY id
""".replace("{document}", _DOCUMENT.format(summary="e.summary", reasoning="e.reasoning"))
"""Loaded events, with their words."""

WRITE_SCORES = """
UPDATE events_event e SET
    summary = new.summary,
    risk_score = CASE WHEN e.scored_by = 'person' THEN e.risk_score ELSE new.score END,
    reasoning = CASE WHEN e.scored_by = 'person' THEN e.reasoning ELSE new.reasoning END,
    scored_by = CASE WHEN e.scored_by = 'person' THEN e.scored_by ELSE %(by)s END,
    search = {document}
FROM unnest(%(ids)s::bigint[], %(scores)s::int[], %(summaries)s::text[], %(reasonings)s::text[])
     AS new(id, score, summary, reasoning), cameras_camera c
WHERE e.id = new.id AND c.id = e.camera_id
""".replace(
    "{document}",
    _DOCUMENT.format(
        summary="new.summary", reasoning="CASE WHEN e.scored_by = 'person' THEN e.reasoning ELSE new.reasoning END"
    ),
)
"""Scores, with the reasoning but where a person scored; summaries always; and the words of all."""

RENAMED = """
SELECT c.id FROM cameras_camera c LEFT JOIN events_camerasearch known ON known.camera_id = c.id
WHERE known.name IS DISTINCT FROM c.name ORDER BY c.id
"""
"""Cameras whose events are found by another name than theirs."""

BEGIN_REWRITES = """
INSERT INTO events_camerasearch AS known (camera_id, name, written_to)
SELECT c.id, c.name, 0 FROM cameras_camera c WHERE c.id = ANY(%(cameras)s)
ON CONFLICT (camera_id) DO UPDATE SET name = excluded.name, written_to = 0 WHERE known.name <> excluded.name
"""
"""Cameras with a new name are to have their events rewritten, from the first one on."""
