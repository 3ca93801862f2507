//! What receivers missed. Index: the unique one of deferred, and deferred_open.

/// A range that was made again begins where it began before; one that was history is over.
macro_rules! made_again {
    () => {
        "ON CONFLICT DO UPDATE SET delivered_to = from_offset, events = excluded.events, claimed_by = excluded.claimed_by,
        to_offset = iif(delivered_to < to_offset, max(to_offset, excluded.to_offset), excluded.to_offset)"
    };
}

pub(in crate::journal) const NEW_DEFERRED: &str = concat!(
    "INSERT INTO deferred (place_id, topic_id, partition, from_offset, to_offset, delivered_to, events, claimed_by)
    VALUES (?1, ?2, ?3, ?4, ?5, ?4, ?6, ?7) ",
    made_again!()
);
pub(in crate::journal) const DEFERRED_GOES_ON: &str = "
    UPDATE deferred SET to_offset = ?5, events = events + ?6
    WHERE place_id = ?1 AND topic_id = ?2 AND partition = ?3 AND from_offset < ?4 AND to_offset = ?4 AND claimed_by = ?7";
/// What another run delivers is its own: how far this one came says nothing of it; nor of a range that lies before what it has read.
pub(in crate::journal) const CAUGHT_UP: &str = "
    UPDATE deferred SET delivered_to = min(?5, to_offset)
    WHERE place_id = ?1 AND topic_id = ?2 AND partition = ?3 AND from_offset < ?5 AND delivered_to >= ?4
        AND delivered_to < min(?5, to_offset) AND claimed_by = ?6";

/// How many events of what is left are the receiver's is not known: at most one for each offset.
pub(in crate::journal) const DEFERRED_CUT: &str = "
    UPDATE deferred SET to_offset = ?4, delivered_to = min(delivered_to, ?4), events = min(events, ?4 - from_offset)
    WHERE place_id = ?1 AND topic_id = ?2 AND partition = ?3 AND from_offset < ?4 AND to_offset > ?4";
pub(in crate::journal) const DEFERRED_GONE: &str =
    "DELETE FROM deferred WHERE place_id = ?1 AND topic_id = ?2 AND partition = ?3 AND from_offset >= ?4";
pub(in crate::journal) const MISSED_OF: &str = "
    SELECT d.id, p.receiver, d.delivered_to, d.to_offset, d.claimed_by, d.events FROM place p CROSS JOIN deferred d ON d.place_id = p.id
    WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND d.topic_id = ?2 AND d.partition = ?3 AND d.delivered_to < d.to_offset
    ORDER BY p.receiver, d.from_offset";
/// Of a range of which a part is delivered nobody knows how many events the rest has: at most one for each offset.
pub(in crate::journal) const MISSED_OF_TOPIC: &str = "
    SELECT d.partition, p.receiver, d.delivered_to, d.to_offset, min(d.events, d.to_offset - d.delivered_to)
    FROM place p CROSS JOIN deferred d ON d.place_id = p.id
    WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND d.topic_id = ?2 AND d.delivered_to < d.to_offset
    ORDER BY p.receiver, d.partition, d.from_offset";
/// Those of a partition together, in the order of its offsets.
pub(in crate::journal) const STRAYS: &str = "
    SELECT d.id, p.receiver, d.delivered_to, d.to_offset, d.claimed_by, d.events, t.cluster_id, t.name, t.topic_uuid, d.partition
    FROM place p CROSS JOIN deferred d ON d.place_id = p.id CROSS JOIN topic t ON t.id = d.topic_id
    WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND d.delivered_to < d.to_offset AND d.claimed_by IS NOT ?2
    ORDER BY p.receiver, d.topic_id, d.partition, d.from_offset";
pub(in crate::journal) const HAS_STRAYS: &str = "
    SELECT EXISTS (SELECT 1 FROM place p CROSS JOIN deferred d ON d.place_id = p.id
        WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND d.delivered_to < d.to_offset AND d.claimed_by IS NOT ?2)";
pub(in crate::journal) const TAKE_MISSED: &str = "UPDATE deferred SET claimed_by = ?2 WHERE id = ?1";
pub(in crate::journal) const LET_GO_OF_MISSED: &str = "
    UPDATE deferred SET claimed_by = NULL WHERE id IN (
        SELECT d.id FROM place p CROSS JOIN deferred d ON d.place_id = p.id
        WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND (?5 IS NULL OR p.receiver = ?5) AND d.topic_id = ?2
            AND d.partition = ?3 AND d.delivered_to < d.to_offset AND d.claimed_by = ?4)";
/// What a run has taken of these offsets.
pub(in crate::journal) const TAKEN_OF: &str = "
    SELECT d.id, p.receiver, d.delivered_to, d.to_offset FROM place p CROSS JOIN deferred d ON d.place_id = p.id
    WHERE p.consumer_group = ?1 AND p.stage = 'receive' AND d.topic_id = ?2 AND d.partition = ?3 AND d.delivered_to < d.to_offset
        AND d.from_offset < ?5 AND d.to_offset > ?4 AND d.delivered_to < ?5 AND d.claimed_by = ?6";
pub(in crate::journal) const MISSED_BEGINS: &str = "UPDATE deferred SET delivered_to = ?2 WHERE id = ?1";
pub(in crate::journal) const MISSED_ENDS: &str =
    "UPDATE deferred SET to_offset = ?2, events = min(events, ?2 - from_offset) WHERE id = ?1";
/// What is left of a range behind an offset, as one of its own. One that began there before is over, and was missed again since.
pub(in crate::journal) const MISSED_REST: &str = concat!(
    "INSERT INTO deferred (place_id, topic_id, partition, from_offset, to_offset, delivered_to, events, claimed_by)
    SELECT place_id, topic_id, partition, ?2, to_offset, ?2, min(events, to_offset - ?2), claimed_by FROM deferred WHERE id = ?1 ",
    made_again!()
);
/// Records of which the journal has the bytes. Index: the primary key.
pub(in crate::journal) const RECORDS_IN: &str =
    "SELECT offset FROM record WHERE topic_id = ?1 AND partition = ?2 AND offset >= ?3 AND offset < ?4 ORDER BY offset";
