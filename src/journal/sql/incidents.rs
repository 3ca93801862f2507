//! Troubles of the consumer itself. Those that are open are few: the index on them has nothing else.

pub(in crate::journal) const NEW_INCIDENT: &str = "
    INSERT INTO incident (run_id, kind, topic_id, partition, from_offset, to_offset, receiver, message, data, count,
        first_at_us, last_at_us)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
pub(in crate::journal) const INCIDENT_AGAIN: &str =
    "UPDATE incident SET count = count + ?4, last_at_us = ?2, message = ?3, data = ?5 WHERE id = ?1";
pub(in crate::journal) const INCIDENT_ENDED: &str = "UPDATE incident SET ended_at_us = ?2 WHERE id = ?1 AND ended_at_us IS NULL";
/// Index: incident_open.
pub(in crate::journal) const OPEN_OF_RUN: &str = "
    SELECT id, kind FROM incident INDEXED BY incident_open WHERE ended_at_us IS NULL AND acked_at_us IS NULL AND run_id = ?1";
/// Index: incident_open.
pub(in crate::journal) const OPEN_LIMIT: &str = "
    SELECT max(i.id) FROM incident i INDEXED BY incident_open CROSS JOIN run r ON r.id = i.run_id
    WHERE i.kind = 'limit' AND i.ended_at_us IS NULL AND i.acked_at_us IS NULL AND r.consumer_group = ?1 AND i.receiver = ?2";
/// Of one record, and one rule: what the failure says may differ from try to try. Index: incident_open.
pub(in crate::journal) const OPEN_HALT: &str = "
    SELECT max(i.id) FROM incident i INDEXED BY incident_open CROSS JOIN run r ON r.id = i.run_id
    WHERE i.kind = 'halt' AND i.ended_at_us IS NULL AND i.acked_at_us IS NULL AND r.consumer_group = ?1 AND i.receiver = ?2
        AND i.topic_id IS ?3 AND i.partition IS ?4 AND i.from_offset IS ?5
        AND json_extract(i.data, '$.rule') IS json_extract(?6, '$.rule')";
/// The open incident of a type, and how many types of the group have one. Index: incident_open; there are at most 1,000 of a group.
pub(in crate::journal) const OPEN_NEW_TYPE: &str = "
    SELECT max(CASE WHEN i.data = ?2 THEN i.id END), count(*)
    FROM incident i INDEXED BY incident_open CROSS JOIN run r ON r.id = i.run_id
    WHERE i.kind = 'new_type' AND i.ended_at_us IS NULL AND i.acked_at_us IS NULL AND r.consumer_group = ?1";
