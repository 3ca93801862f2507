//! The desk, with the clock in hand.

use std::sync::Mutex;

use tokio::sync::mpsc::UnboundedSender;

use super::*;

/// Says what it is told to say, in turn, the last for ever; and when it was asked.
struct Says {
    answers: Mutex<VecDeque<Lookup>>,
    asked: Mutex<Vec<(Instant, SchemaId)>>,
}

impl SchemaSource for Says {
    fn name(&self) -> &str {
        "says"
    }

    fn look_up(self: Arc<Self>, id: SchemaId) -> BoxFuture<'static, Lookup> {
        self.asked.lock().unwrap().push((Instant::now(), id));
        let mut answers = self.answers.lock().unwrap();
        let answer = if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() };
        Box::pin(std::future::ready(answer))
    }
}

struct Scene {
    says: Arc<Says>,
    asks: UnboundedSender<Ask>,
    answers: UnboundedReceiver<ToShard>,
    /// The desk has weak ones.
    _shard: UnboundedSender<ToShard>,
    journal: mpsc::Receiver<ToJournal>,
}

fn scene(answers: impl IntoIterator<Item = Lookup>, away: Away) -> Scene {
    scene_that_keeps(HashMap::new(), answers, away)
}

fn scene_that_keeps(kept: HashMap<SchemaId, SchemaText>, answers: impl IntoIterator<Item = Lookup>, away: Away) -> Scene {
    let says = Arc::new(Says { answers: Mutex::new(answers.into_iter().collect()), asked: Mutex::default() });
    let (asks, inbox) = tokio::sync::mpsc::unbounded_channel();
    let (to_shard, answers) = tokio::sync::mpsc::unbounded_channel();
    let (to_journal, journal) = mpsc::channel();
    let schemas = Schemas { source: Some(Arc::clone(&says) as Arc<dyn SchemaSource>), kept };
    let desk = Desk { schemas, inbox, shards: vec![to_shard.downgrade()], journal: to_journal, away };
    tokio::spawn(desk.run());
    Scene { says, asks, answers, _shard: to_shard, journal }
}

impl Scene {
    fn ask(&self, id: u32, of: Part) {
        self.asks.send(Ask { id: SchemaId::Number(id), of }).unwrap();
    }

    /// What the journal was told.
    fn told(&self) -> Vec<Entry> {
        let entries = self.journal.try_iter().flat_map(|message| match message {
            ToJournal::Job(job) => job.entries,
            other => panic!("{other:?}"),
        });
        entries.collect()
    }

    /// What is answered, and after how long.
    async fn answer(&mut self) -> (Answer, Duration) {
        let began = Instant::now();
        match self.answers.recv().await.unwrap() {
            ToShard::Schema(answer) => (answer, began.elapsed()),
            other => panic!("{other:?}"),
        }
    }
}

fn text(text: &str) -> SchemaText {
    SchemaText { kind: crate::codec::schema::SchemaKind::Json, text: text.into(), references: Vec::new() }
}

fn found() -> Lookup {
    Lookup::Found(text("{}"))
}

fn unknown() -> Lookup {
    Lookup::Unknown("it is not there".into())
}

fn away() -> Lookup {
    Lookup::Away("it does not answer".into())
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_is_registered_late_is_waited_for() {
    let mut scene = scene([unknown(), unknown(), unknown(), unknown(), unknown(), found()], Away::Waits);
    scene.ask(7, Part::Value);
    let (answer, waited) = scene.answer().await;
    assert!(matches!(answer.found, Found::Known(Known::Schema(_))), "{answer:?}");
    assert!(waited < COMES_WITHIN, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_so_after_ten_seconds_and_a_key_at_once() {
    let mut scene = scene([unknown()], Away::Waits);
    scene.ask(7, Part::Value);
    let (answer, waited) = scene.answer().await;
    assert!(matches!(&answer.found, Found::ForNow(Known::Unknown(why)) if &**why == "it is not there"), "{answer:?}");
    assert!(waited >= COMES_WITHIN && waited < COMES_WITHIN * 2, "{waited:?}");
    scene.ask(8, Part::Key);
    let (answer, waited) = scene.answer().await;
    assert!(matches!(answer.found, Found::ForNow(Known::Unknown(_))), "{answer:?}");
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_is_away_is_asked_now_and_then_and_answers_nothing() {
    let mut scene = scene(vec![away(); 20].into_iter().chain([found()]), Away::Waits);
    (0..100).for_each(|id| scene.ask(id, Part::Value));
    let (_, waited) = scene.answer().await;
    assert!(waited > Duration::from_secs(60), "{waited:?}");
    let asked = scene.says.asked.lock().unwrap().clone();
    let gaps: Vec<Duration> = asked.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| !gap.is_zero()).collect();
    assert!(gaps.iter().all(|gap| *gap <= LONGEST_WAIT + Duration::from_millis(1)), "{gaps:?}");
    for _ in 1..100 {
        assert!(matches!(scene.answer().await.0.found, Found::Known(_)));
    }
    let entries = scene.told();
    let (mut began, mut ended) = (0, 0);
    for entry in entries {
        match entry {
            Entry::Incident(_) => began += 1,
            Entry::IncidentEnded(_) => ended += 1,
            Entry::Schema(_) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(began > 5 && ended == 1, "{began} {ended}");
}

#[tokio::test(start_paused = true)]
async fn a_key_is_not_waited_for_and_troubles_nobody() {
    let mut scene = scene([away()], Away::Waits);
    for id in [1, 2] {
        scene.ask(id, Part::Key);
        let (answer, waited) = scene.answer().await;
        assert!(matches!((answer.of, &answer.found), (Part::Key, Found::ForNow(Known::Unknown(_)))), "{answer:?}");
        assert!(waited.is_zero(), "{waited:?}");
    }
    assert_eq!(scene.says.asked.lock().unwrap().len(), 1, "it is known to be away");
    assert!(scene.told().is_empty(), "nothing waits for it");
}

/// A registry that comes back may be loading still: what it has not yet is waited for from then on.
#[tokio::test(start_paused = true)]
async fn what_is_unknown_after_an_outage_has_its_ten_seconds() {
    let outage = vec![away(); 8];
    let mut scene = scene([unknown()].into_iter().chain(outage).chain([unknown(), unknown(), found()]), Away::Waits);
    scene.ask(7, Part::Value);
    let (answer, waited) = scene.answer().await;
    assert!(matches!(answer.found, Found::Known(_)), "{answer:?}");
    assert!(waited > COMES_WITHIN * 2, "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_unknown_says_nothing_of_values() {
    let mut scene = scene([unknown(), unknown(), found()], Away::Waits);
    scene.ask(7, Part::Key);
    let (answer, _) = scene.answer().await;
    assert!(matches!((answer.of, answer.found), (Part::Key, Found::ForNow(_))));
    scene.ask(7, Part::Value);
    let (answer, _) = scene.answer().await;
    assert!(matches!((answer.of, answer.found), (Part::Value, Found::Known(_))));
}

#[tokio::test(start_paused = true)]
async fn what_the_journal_keeps_is_good_while_the_registry_is_away_and_asked_for_when_it_is_not() {
    let kept = HashMap::from([1, 2, 3].map(|id| (SchemaId::Number(id), text("old"))));
    let answers = [away(), found(), Lookup::Found(text("old")), unknown()];
    let mut scene = scene_that_keeps(kept, answers, Away::Waits);
    for id in [1, 2] {
        scene.ask(id, Part::Value);
        let (answer, waited) = scene.answer().await;
        assert!(matches!(answer.found, Found::Known(_)) && waited.is_zero(), "{answer:?} {waited:?}");
    }
    assert_eq!(scene.says.asked.lock().unwrap().len(), 1, "it is known to be away");
    assert!(scene.told().is_empty(), "nothing waits for it");
    tokio::time::sleep(LONGEST_WAIT).await;
    for id in [1, 2, 3] {
        scene.ask(id, Part::Value);
        assert!(matches!(scene.answer().await.0.found, Found::Known(_)), "{id}");
    }
    let told = scene.told();
    assert!(
        matches!(&told[..], [Entry::Schema(served)] if served.id == SchemaId::Number(1)),
        "what changed is kept anew: {told:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_replay_goes_on_without() {
    let mut scene = scene([away()], Away::GoesOn);
    scene.ask(1, Part::Value);
    let (answer, waited) = scene.answer().await;
    assert!(matches!(answer.found, Found::Away), "{answer:?}");
    assert!(waited >= REPLAY_WAITS && waited < REPLAY_WAITS * 3, "{waited:?}");
    scene.ask(2, Part::Value);
    assert!(scene.answer().await.1.is_zero(), "it is known to be away");
    assert!(scene.journal.try_iter().next().is_none(), "a consumer's incident is not a replay's");
}

#[tokio::test(start_paused = true)]
async fn a_reference_that_is_missing_may_be_there_later() {
    let mut scene = scene([Lookup::Unusable("it names one that is not there".into())], Away::Waits);
    scene.ask(1, Part::Value);
    assert!(matches!(scene.answer().await.0.found, Found::ForNow(Known::Schema(_))));
}
