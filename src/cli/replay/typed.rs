//! The command as it was typed, to be typed again with something added. Secrets are left out.

use crate::cli::hint::Journal;
use crate::cli::replay::arguments::ReplayArgs;
use crate::secrets::masked;
use crate::settings::table::{self, KAFKA_PROPERTY, Kind, RECEIVER, RECEIVER_OPTION, Scope, Setting};
use crate::settings::{Layers, ReplaySettings};

/// What of every command's flags says where something is, but for the journal.
const PLACES: [Setting; 5] =
    [table::BOOTSTRAP_SERVER, KAFKA_PROPERTY, table::COMMAND_CONFIG, table::CONFIG, table::ALLOW_UNSAFE_JOURNAL];

/// The words of a `replay`.
#[derive(Clone, Debug)]
pub(super) struct Typed<'t> {
    journal: Journal<'t>,
    /// What is selected, and how it is delivered: each flag with its value.
    words: Vec<Vec<String>>,
    settings: Vec<Vec<String>>,
}

impl<'t> Typed<'t> {
    pub(super) fn new(args: &ReplayArgs, layers: &Layers<'_>, settings: &ReplaySettings, journal: Journal<'t>) -> Self {
        let mut words = Vec::new();
        let of_delivery = table::ALL.into_iter().filter(|setting| setting.scope == Scope::Delivery);
        for setting in of_delivery.chain(PLACES) {
            let values = layers.flags(&setting).iter();
            words.extend(values.map(|value| match setting.kind {
                Kind::Switch => vec![format!("--{}", setting.name)],
                _ => vec![flag(&setting), shown(&setting, value, settings)],
            }));
        }
        Self { journal, words: args.words(), settings: words }
    }

    /// The same, on this journal.
    pub(super) fn on<'j>(&self, journal: Journal<'j>) -> Typed<'j> {
        Typed { journal, words: self.words.clone(), settings: self.settings.clone() }
    }

    pub(super) fn journal(&self) -> Journal<'t> {
        self.journal
    }

    /// What is selected, as a user would call it.
    pub(super) fn selection(&self) -> String {
        let ranges = self.words.iter().filter_map(|words| match words.as_slice() {
            [flag, range] if flag == "--offset" => Some(range.as_str()),
            _ => None,
        });
        let ranges = ranges.collect::<Vec<_>>().join(", ");
        if ranges.is_empty() { "what is selected".to_owned() } else { ranges }
    }

    /// The same again.
    pub(super) fn again(&self) -> String {
        self.command(&[])
    }

    /// With this flag and its value, in the place of what it was.
    pub(super) fn with(&self, flag: &str, value: &str) -> String {
        Self { words: without(&self.words, flag), ..self.without_setting(flag) }.command(&[flag, value])
    }

    /// These records instead of what was selected, to the same receivers.
    pub(super) fn records(&self, range: &str, group: &str) -> String {
        Self { words: Vec::new(), ..self.without_setting("-g") }.command(&["--offset", range, "-g", group])
    }

    fn without_setting(&self, flag: &str) -> Self {
        Self { settings: without(&self.settings, flag), ..self.clone() }
    }

    pub(super) fn with_switch(&self, switch: &str) -> String {
        self.command(&[switch])
    }

    fn command(&self, more: &[&str]) -> String {
        let mut all = vec!["replay".to_owned()];
        all.extend(self.words.iter().chain(&self.settings).flatten().cloned());
        all.extend(more.iter().map(|&word| word.to_owned()));
        self.journal.command(&all)
    }
}

fn without(all: &[Vec<String>], flag: &str) -> Vec<Vec<String>> {
    all.iter().filter(|words| words.first().is_none_or(|word| word != flag)).cloned().collect()
}

/// The shortest way to write it.
fn flag(setting: &Setting) -> String {
    setting.short.map_or_else(|| format!("--{}", setting.name), |short| format!("-{short}"))
}

/// Each item on its own: the end of one must not hide where the next begins.
fn masked_items(kind: Kind, value: &str) -> String {
    match kind {
        Kind::Names => value.split(',').map(masked).collect::<Vec<_>>().join(","),
        _ => masked(value),
    }
}

fn shown(setting: &Setting, value: &str, settings: &ReplaySettings) -> String {
    // What only names where a secret is, is none.
    let is_elsewhere = |value: &str| value.starts_with('@') || value.starts_with("env:");
    if setting.kind == Kind::Secret {
        return if is_elsewhere(value) { value.to_owned() } else { "…".to_owned() };
    }
    let (name, of) = value.split_once('=').unwrap_or((value, ""));
    if setting.name == RECEIVER.name {
        let receiver = settings.receivers.iter().find(|receiver| receiver.name == name);
        return receiver.map_or_else(|| masked(value), |receiver| format!("{name}={}", receiver.definition));
    }
    let may_be_secret = [KAFKA_PROPERTY.name, RECEIVER_OPTION.name].contains(&setting.name);
    if may_be_secret && !is_elsewhere(of) { format!("{name}=…") } else { masked_items(setting.kind, value) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::flags::GlobalFlags;
    use crate::receiver::Receivers;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        global: GlobalFlags,
        #[command(flatten)]
        args: ReplayArgs,
    }

    const JOURNAL: Journal<'_> = Journal { program: "redrive", path: "other.db", id: "7c1f09aa" };

    fn typed(line: &str) -> Typed<'static> {
        let words = shell_words::split(&format!("replay {line}")).unwrap();
        let Line { global, args } = Line::try_parse_from(words).unwrap_or_else(|error| panic!("{error}"));
        let layers = Layers::without_file(global.0.and(args.settings()), &|_| None);
        let settings = ReplaySettings::read(&layers, &Receivers::new()).unwrap();
        Typed::new(&args, &layers, &settings, JOURNAL)
    }

    /// Without what a shell needs.
    fn plain(command: &str) -> String {
        shell_words::split(command).unwrap().join(" ")
    }

    #[test]
    fn what_was_typed_can_be_typed_again() {
        let line = "--offset orders:3:7..9 --to billing --map old=new --source topic --include-uncommitted --rate 50/s \
                    --max-failures 1 -g shop --receiver billing=discard: --order key --no-startup-guard -b kafka:9092";
        assert_eq!(plain(&typed(line).again()), format!("redrive replay {line} --journal other.db"));
        let filters = "--code a,b --since 2h --receiver x,y --receiver all=discard:";
        assert_eq!(plain(&typed(filters).with_switch("--yes")), format!("redrive replay {filters} --yes --journal other.db"));
    }

    #[test]
    fn what_is_selected_has_a_name() {
        let selection = |line: &str| typed(&format!("{line} --receiver all=discard:")).selection();
        assert_eq!(selection("--offset orders:3:7..9,orders:4:1 --to all"), "orders:3:7..9, orders:4:1");
        assert_eq!(selection("42 43"), "what is selected");
    }

    #[test]
    fn a_flag_that_is_added_replaces_what_it_was() {
        let line = typed("42 --to failed --dry-run --receiver all=discard:");
        assert_eq!(plain(&line.with("--to", "all")), "redrive replay 42 --receiver all=discard: --to all --journal other.db");
    }

    #[test]
    fn other_records_go_to_the_same_receivers() {
        let line = typed("--all --receiver billing --rate 5/s --receiver billing=discard: -g old -b kafka:9092");
        let expected = "redrive replay --receiver billing=discard: -b kafka:9092 --offset orders:0:1..7 -g shop --journal other.db";
        assert_eq!(plain(&line.records("orders:0:1..7", "shop")), expected);
    }

    #[test]
    fn no_secret_is_typed_again() {
        let line = typed(
            "42 --receiver 'b=exec:worker --password s3cret' --receiver w=https://shop/?token=s3cret --receiver v=http://shop/ --receiver x=https://me:s3cret@shop/ --receiver-option v.basic_auth=s3cret \
             --receiver-option w.timeout=5s --schema-registry http://registry/?key=s3cret --schema-registry http://one:8081/,http://me:s3cret@two -X sasl.password=s3cret -X ssl.key.password=env:NAME",
        );
        let again = plain(&line.again());
        assert!(!again.contains("s3cret"), "{again}");
        assert!(again.contains("-X ssl.key.password=env:NAME") && again.contains("v.basic_auth=…"), "{again}");
        assert!(again.contains("--schema-registry http://one:8081/,http://***@two"), "{again}");
        let of_registry = |given: &str| plain(&typed(&format!("42 --receiver all=discard: {given}")).again());
        let again = of_registry("--schema-registry http://me:s3cret@one,http://me:s3cret@two/?key=s3cret,http://three");
        assert!(again.contains("--schema-registry http://***@one,http://***@two/?key=***,http://three"), "{again}");
        let again = of_registry("--schema-registry http://one --schema-registry-basic-auth me:s3cret");
        assert!(again.contains("--schema-registry-basic-auth …"), "{again}");
    }
}
