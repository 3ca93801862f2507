//! The desk where shards ask for schemas: one task that looks them up, once for all of them, and waits for registries.
//!
//! A lookup never holds up records whose schema is known: a shard shelves what it asks for and goes on. What a registry that is away would
//! say is not known, unless the journal keeps it, so nothing is answered until it is back; that is an incident, not a failure of records.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::future::pending;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::sync::mpsc::{UnboundedReceiver, WeakUnboundedSender};
use tokio::time::{Instant, sleep_until};

use crate::codec::framing::SchemaId;
use crate::codec::naming::{Frames, Part};
use crate::codec::registry::Registry;
use crate::codec::schema::{Known, Lookup, Schema, SchemaText};
use crate::engine::ledger::{Entry, Incident, IncidentKey, IncidentKind, Served};
use crate::engine::report::{JournalJob, ToJournal, ToShard};

/// A schema that the registry does not have is asked for again for so long: it may be registered just now.
const COMES_WITHIN: Duration = Duration::from_secs(10);
/// That it does not have one is not believed for longer.
pub(super) const UNKNOWN_FOR: Duration = Duration::from_secs(30);
/// A replay does not wait for a registry that is away longer than this.
const REPLAY_WAITS: Duration = Duration::from_secs(3);
const FIRST_WAIT: Duration = Duration::from_millis(250);
/// Between two questions for a schema that is not there yet.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Between two questions to a registry that is away.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Lookups that are out at once.
const AT_ONCE: usize = 8;

/// Where schemas are looked up.
pub trait SchemaSource: Send + Sync {
    /// What the registry is called: its schemas are kept under this name.
    fn name(&self) -> &str;

    /// Asks once. The future ends by itself, within four timeouts for each address.
    fn look_up(self: Arc<Self>, id: SchemaId) -> BoxFuture<'static, Lookup>;
}

impl SchemaSource for Registry {
    fn name(&self) -> &str {
        Registry::name(self)
    }

    fn look_up(self: Arc<Self>, id: SchemaId) -> BoxFuture<'static, Lookup> {
        async move { self.schema(id).await }.boxed()
    }
}

/// What a run knows of schemas before it begins.
#[derive(Clone, Default)]
pub struct Schemas {
    /// `None`: no registry is set.
    pub source: Option<Arc<dyn SchemaSource>>,
    /// What the journal kept.
    pub kept: HashMap<SchemaId, SchemaText>,
}

impl Schemas {
    /// Frames are for a registry that is known, by its address or by what it said before.
    #[must_use]
    pub fn frames(&self) -> Frames {
        match self.source {
            Some(_) => Frames::Heeded,
            None if self.kept.is_empty() => Frames::Ignored,
            None => Frames::Kept,
        }
    }
}

/// What a run does when the registry is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Away {
    /// It waits, however long that takes; an incident says so.
    Waits,
    /// It goes on without, as a replay does.
    GoesOn,
}

/// A shard's question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) id: SchemaId,
    pub(super) of: Part,
}

/// What the desk answers.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) id: SchemaId,
    /// Of a key: what is not there is not known of values, for which it is asked longer.
    pub(super) of: Part,
    pub(super) found: Found,
}

#[derive(Clone, Debug)]
pub(super) enum Found {
    Known(Known),
    /// Good for [`UNKNOWN_FOR`].
    ForNow(Known),
    /// The registry is away, and the run does not wait for it.
    Away,
}

/// A lookup that is not answered yet.
#[derive(Debug)]
struct Open {
    of: Part,
    /// Since when the registry says that it has none.
    unknown_since: Option<Instant>,
    wait: Duration,
}

pub(super) struct Desk {
    pub(super) schemas: Schemas,
    pub(super) inbox: UnboundedReceiver<Ask>,
    /// Weak: a shard ends when the kafka thread lets go of it.
    pub(super) shards: Vec<WeakUnboundedSender<ToShard>>,
    pub(super) journal: mpsc::Sender<ToJournal>,
    pub(super) away: Away,
}

/// What the desk is about.
struct Round {
    desk: Desk,
    open: HashMap<SchemaId, Open>,
    /// Lookups that wait for their turn, and those that are made again at a time.
    queue: VecDeque<SchemaId>,
    later: BTreeSet<(Instant, SchemaId)>,
    out: FuturesUnordered<BoxFuture<'static, (SchemaId, Lookup)>>,
    /// Since when the registry is away, and when it is asked again.
    silence: Option<Silence>,
}

struct Silence {
    since: Instant,
    wait: Duration,
    probe_at: Instant,
    /// There is an incident: something waits.
    is_told: bool,
}

impl Desk {
    /// Answers until the shards are gone.
    pub(super) async fn run(self) {
        let mut round = Round {
            desk: self,
            open: HashMap::new(),
            queue: VecDeque::new(),
            later: BTreeSet::new(),
            out: FuturesUnordered::new(),
            silence: None,
        };
        loop {
            let due = round.due();
            let due = async {
                match due {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                ask = round.desk.inbox.recv() => match ask {
                    Some(ask) => round.asked(ask, Instant::now()),
                    None => return,
                },
                Some((id, lookup)) = round.out.next(), if !round.out.is_empty() => round.looked_up(id, lookup, Instant::now()),
                () = due => {}
            }
            round.send_out(Instant::now());
        }
    }
}

impl Round {
    fn asked(&mut self, ask: Ask, now: Instant) {
        let Ask { id, of } = ask;
        if let Some(open) = self.open.get_mut(&id) {
            open.of = open.of.max(of);
            return;
        }
        self.open.insert(id, Open { of, unknown_since: None, wait: FIRST_WAIT });
        if self.desk.schemas.source.is_none() {
            return self.answer_without_registry(id);
        }
        let is_silent = self.silence.as_ref().is_some_and(|silence| now < silence.probe_at);
        if is_silent && (self.answer_kept(id) || self.answer_key(id)) {
            return;
        }
        if self.is_given_up(now) {
            return self.answer(id, &Found::Away);
        }
        self.queue.push_back(id);
    }

    /// Without a registry there is only what the journal keeps.
    fn answer_without_registry(&mut self, id: SchemaId) {
        if self.answer_kept(id) {
            return;
        }
        let why = match self.desk.away {
            Away::Waits => format!("no registry is set to ask for schema {id}: --schema-registry URL"),
            Away::GoesOn => format!("the journal does not keep schema {id}, and no registry is set to ask: --schema-registry URL"),
        };
        self.answer(id, &Found::ForNow(Known::NotKept(why.into())));
    }

    /// Answers with what the journal keeps; says whether it does.
    fn answer_kept(&mut self, id: SchemaId) -> bool {
        let Some(text) = self.desk.schemas.kept.get(&id) else { return false };
        let schema = Arc::new(text.read());
        self.answer(id, &Found::Known(Known::Schema(schema)));
        true
    }

    /// A key is not waited for while the registry is away: most that begin like a frame are none. Says whether it is one.
    fn answer_key(&mut self, id: SchemaId) -> bool {
        let is_key = self.open.get(&id).is_some_and(|open| open.of == Part::Key);
        if is_key {
            self.answer(id, &Found::ForNow(Known::Unknown("the registry is away".into())));
        }
        is_key
    }

    /// A replay found the registry away, and it is not yet time to look again.
    fn is_given_up(&self, now: Instant) -> bool {
        let lasts = |silence: &Silence| now.duration_since(silence.since) >= REPLAY_WAITS && now < silence.probe_at;
        self.desk.away == Away::GoesOn && self.silence.as_ref().is_some_and(lasts)
    }

    /// When something is to be asked that is not asked yet.
    fn due(&self) -> Option<Instant> {
        match &self.silence {
            Some(silence) => Some(silence.probe_at).filter(|_| self.out.is_empty() && !self.open.is_empty()),
            None => self.later.first().map(|(at, _)| *at),
        }
    }

    /// Asks for what waits for its turn. While the registry is away one probe at a time is enough.
    fn send_out(&mut self, now: Instant) {
        while let Some((at, id)) = self.later.pop_first() {
            if at > now {
                self.later.insert((at, id));
                break;
            }
            self.queue.push_back(id);
        }
        let room = match &self.silence {
            Some(silence) if now < silence.probe_at => 0,
            Some(_) => 1,
            None => AT_ONCE,
        };
        while self.out.len() < room
            && let Some(id) = self.queue.pop_front()
        {
            // Answered meanwhile.
            if !self.open.contains_key(&id) {
                continue;
            }
            let Some(source) = &self.desk.schemas.source else { return };
            let lookup = Arc::clone(source).look_up(id);
            self.out.push(async move { (id, lookup.await) }.boxed());
        }
    }

    fn looked_up(&mut self, id: SchemaId, lookup: Lookup, now: Instant) {
        if let Lookup::Away(why) = lookup {
            return self.is_away(id, why, now);
        }
        self.back();
        match lookup {
            Lookup::Found(text) => {
                let found = Found::Known(Known::Schema(Arc::new(text.read())));
                self.keep(id, &text);
                self.answer(id, &found);
            }
            // What it had once is what the records were written with.
            Lookup::Unusable(_) | Lookup::Unknown(_) if self.answer_kept(id) => {}
            Lookup::Unusable(why) => self.answer(id, &Found::ForNow(Known::unreadable(why))),
            Lookup::Unknown(why) | Lookup::Away(why) => self.is_unknown(id, why, now),
        }
    }

    fn is_unknown(&mut self, id: SchemaId, why: String, now: Instant) {
        let Some(open) = self.open.get_mut(&id) else { return };
        let since = *open.unknown_since.get_or_insert(now);
        if open.of == Part::Value && now.duration_since(since) < COMES_WITHIN {
            self.later.insert((now + open.wait, id));
            open.wait = (open.wait * 2).min(LONGEST_PAUSE);
            return;
        }
        self.answer(id, &Found::ForNow(Known::Unknown(why.into())));
    }

    fn is_away(&mut self, id: SchemaId, why: String, now: Instant) {
        let silence = self.silence.get_or_insert(Silence { since: now, wait: FIRST_WAIT, probe_at: now, is_told: false });
        let (is_news, lasts) = (now >= silence.probe_at, now.duration_since(silence.since));
        if is_news {
            silence.probe_at = now + silence.wait.mul_f64(0.75 + rand::random::<f64>() / 4.0);
            silence.wait = (silence.wait * 2).min(LONGEST_WAIT);
        }
        if let Some(open) = self.open.get_mut(&id) {
            open.unknown_since = None;
            self.queue.push_back(id);
        }
        // Others that were out when it fell silent say the same.
        if !is_news {
            return;
        }
        let waits: Vec<SchemaId> = self.open.keys().copied().collect();
        let left: Vec<SchemaId> = waits.into_iter().filter(|id| !self.answer_kept(*id) && !self.answer_key(*id)).collect();
        match self.desk.away {
            _ if left.is_empty() => {}
            Away::Waits => self.tell_away(why),
            Away::GoesOn if lasts >= REPLAY_WAITS => left.into_iter().for_each(|id| self.answer(id, &Found::Away)),
            Away::GoesOn => {}
        }
    }

    /// The registry answered.
    fn back(&mut self) {
        if self.silence.take().is_some_and(|silence| silence.is_told) {
            self.tell(Entry::IncidentEnded(IncidentKey::of(IncidentKind::RegistryAway)));
        }
    }

    fn tell_away(&mut self, why: String) {
        self.tell(Entry::Incident(Incident::new(IncidentKey::of(IncidentKind::RegistryAway), why)));
        self.silence.iter_mut().for_each(|silence| silence.is_told = true);
    }

    fn keep(&mut self, id: SchemaId, schema: &SchemaText) {
        let Some(source) = &self.desk.schemas.source else { return };
        if self.desk.schemas.kept.get(&id) != Some(schema) {
            let registry = source.name().to_owned();
            self.tell(Entry::Schema(Box::new(Served { registry, id, schema: schema.clone() })));
            self.desk.schemas.kept.insert(id, schema.clone());
        }
    }

    /// Whoever is gone meanwhile needs no answer: the run is over.
    fn answer(&mut self, id: SchemaId, found: &Found) {
        let of = self.open.remove(&id).map_or(Part::Value, |open| open.of);
        if let Found::Known(Known::Schema(schema)) | Found::ForNow(Known::Schema(schema)) = found
            && let Schema::Unreadable(why) = &**schema
        {
            tracing::warn!(schema = %id, why, "values of a schema that cannot be used are handed on as bytes");
        }
        // What is there is there for both.
        let of = if matches!(found, Found::Known(_)) { Part::Value } else { of };
        for shard in self.desk.shards.iter().filter_map(WeakUnboundedSender::upgrade) {
            drop(shard.send(ToShard::Schema(Answer { id, of, found: found.clone() })));
        }
    }

    /// As `answer`.
    fn tell(&self, entry: Entry) {
        let job = JournalJob { entries: vec![entry], runs: Vec::new(), ticket: None };
        drop(self.desk.journal.send(ToJournal::Job(job)));
    }
}
