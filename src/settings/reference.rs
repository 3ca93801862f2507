//! The reference of all settings, `docs/settings.md`: written from the tables, so that it cannot say anything else than they do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::settings::receivers::keys::{self, ReceiverKey};
use crate::settings::rules::keys::{self as rules, RuleKey};
use crate::settings::table::{self, Scope, Setting};

const HEAD: &str = "\
# Settings

Written by the tests from the tables in `src/settings/`; do not edit it by hand.

Every setting is a flag, an environment variable and a key of the settings file (`--config FILE`, or `./redrive.toml` where it exists). A
flag goes over the variable, the variable over the file, the file over the default; `redrive doctor` shows what counts and where it comes
from; it has the flags of `consume`. Sizes are bytes or `KiB`, `MiB`, `GiB`; durations `500ms`, `10s`, `5m`, `2h`, `7d`. A list is several flags, one value a line in the
variable, and an array in the file. [fixtures/redrive.toml](../fixtures/redrive.toml) is a file with every key.
";

const RECEIVER_HEAD: &str = "
## Receivers

The keys of a `[[receiver]]` in the file. Without a file, and over it, `--receiver-option NAME.KEY=VALUE` says them (a list parted by
commas). A key that means nothing for a target is refused.
";

const RULE_HEAD: &str = "
## Rules

The keys of a `[[rule]]` in the file: what becomes of failures ([policy.md](policy.md)). They have no flags and no variables. Where a value
may be one of several, it is a list; an unknown key or word is refused.
";

const TAIL: &str = "
`SECRET` is `@FILE`, `env:NAME` or the secret itself, as in `-X KEY=VALUE`; only the first two keep it out of `ps`.
";

fn reference() -> String {
    let mut text = HEAD.to_owned();
    for (scope, title) in [(Scope::Delivery, "consume and replay"), (Scope::Consume, "consume"), (Scope::Global, "every command")] {
        writeln!(text, "\n## Of {title}\n").unwrap();
        text.push_str("| flag | variable | key | default | |\n|---|---|---|---|---|\n");
        for setting in table::ALL.iter().filter(|setting| setting.scope == scope) {
            text.push_str(&row(setting));
        }
    }
    text.push_str(RECEIVER_HEAD);
    text.push_str("\n| key | value | for | default | |\n|---|---|---|---|---|\n");
    keys::ALL.iter().for_each(|key| text.push_str(&key_row(key)));
    text.push_str(TAIL);
    text.push_str(RULE_HEAD);
    for (title, keys) in [("`[[rule]]`", &rules::RULE[..]), ("`when`", &rules::WHEN), ("`retry`", &rules::RETRY)] {
        text.push_str(&format!("\n| key of {title} | value | |\n|---|---|---|\n"));
        keys.iter().for_each(|key| text.push_str(&rule_row(key)));
    }
    text
}

fn rule_row(key: &RuleKey) -> String {
    format!("| `{}` | {} | {} |\n", key.name, key.value, key.help.replace('|', "\\|"))
}

fn row(setting: &Setting) -> String {
    let short = setting.short.map_or_else(String::new, |short| format!("`-{short}`, "));
    let alias = setting.alias.map_or_else(String::new, |alias| format!(", `--{alias}`"));
    let value = if setting.value.is_empty() { String::new() } else { format!(" {}", setting.value) };
    let other = setting.other_variable.map_or_else(String::new, |other| format!(", `{other}`"));
    let key = if setting.name == table::CONFIG.name { String::new() } else { format!("`{}`", key_of(setting)) };
    let default = setting.default.map_or_else(String::new, |default| format!("`{default}`"));
    let help = cell(setting.help);
    format!("| {short}`--{}{value}`{alias} | `{}`{other} | {key} | {default} | {help} |\n", setting.name, setting.variable())
}

fn key_of(setting: &Setting) -> String {
    match setting.name {
        "receiver" => "[[receiver]]".to_owned(),
        "kafka-property" => "[kafka_property]".to_owned(),
        _ => setting.key(),
    }
}

fn key_row(key: &ReceiverKey) -> String {
    let whom = match key.schemes {
        [] => "all".to_owned(),
        schemes => schemes.iter().map(|scheme| format!("`{scheme}:`")).collect::<Vec<_>>().join(" "),
    };
    let default = key.default.map_or_else(String::new, |default| format!("`{default}`"));
    format!("| `{}` | {} | {whom} | {default} | {} |\n", key.name, key.value, cell(key.help))
}

fn cell(help: &str) -> String {
    let mut text = help.replace('|', "\\|");
    // What the columns say already.
    if let Some(at) = text.find(" [env: ").or_else(|| text.find(" [default: ")) {
        text.truncate(at);
    }
    text
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn the_reference_is_current() {
    let (path, now) = (file("docs/settings.md"), reference());
    if std::env::var_os("REDRIVE_TEST_RENEW").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == now, "docs/settings.md is not current: REDRIVE_TEST_RENEW=1 cargo test --release --lib settings::reference");
}

/// The example, and the same with what it only shows in comments switched on.
fn example() -> [String; 2] {
    let text = std::fs::read_to_string(file("fixtures/redrive.toml")).unwrap();
    let on = text.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect::<Vec<_>>().join("\n");
    [text, on]
}

#[test]
fn the_example_has_every_key_and_every_default_in_it_is_right() {
    let [_, on] = example();
    for setting in table::ALL.iter().filter(|setting| setting.name != table::CONFIG.name) {
        let key = key_of(setting);
        let stands = |line: &str| line == key || line.starts_with(&format!("{key} = "));
        assert!(on.lines().any(stands), "fixtures/redrive.toml does not show `{key}`");
        let Some(default) = setting.default else { continue };
        let values = [format!("{key} = {default}"), format!("{key} = \"{default}\"")];
        let is_default = on.lines().any(|line| values.iter().any(|value| line == value || line.starts_with(&format!("{value} "))));
        assert!(is_default, "fixtures/redrive.toml does not show the default of `{key}`: {default}");
    }
    for key in rules::RULE.iter().chain(&rules::WHEN).chain(&rules::RETRY) {
        assert!(on.contains(&format!("{} = ", key.name)), "`{}` of a rule is not shown", key.name);
    }
    for key in keys::ALL {
        assert!(on.lines().any(|line| line.starts_with(&format!("{} = ", key.name))), "`{}` of a receiver is not shown", key.name);
    }
}

#[test]
fn the_example_is_read_as_it_stands_and_with_everything_on() {
    use crate::receiver::Receivers;
    use crate::settings::{ConnectionSettings, ConsumeSettings, Given, GlobalSettings, Layers};

    let environment =
        |name: &str| matches!(name, "KAFKA_PASSWORD" | "BILLING_TOKEN" | "CRM_LOGIN" | "REGISTRY_LOGIN").then(|| "x".to_owned());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("redrive.toml");
    for text in example() {
        // Files that it names are not there; and nobody is known by both of two names.
        let is_left_out = |line: &&str| line.starts_with("command_config") || line.starts_with("schema_registry_bearer_token");
        let text = text.lines().filter(|line| !is_left_out(line)).collect::<Vec<_>>().join("\n");
        std::fs::write(&path, text).unwrap();
        let mut given = Given::default();
        given.set(&table::CONFIG, vec![path.display().to_string()]);
        let layers = Layers::read(given, &environment).unwrap();
        GlobalSettings::read(&layers).unwrap();
        ConnectionSettings::read(&layers).map(drop).unwrap();
        let settings = ConsumeSettings::read(&layers, &Receivers::new()).unwrap();
        assert!(!settings.receivers.is_empty());
    }
}
