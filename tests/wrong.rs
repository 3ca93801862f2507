//! Wrong invocations, each with all that a user sees: what they type, stdout, stderr and the exit code, in one snapshot to be read by eye.
//!
//! A line is run as a shell would run it, with variables before it; no broker is there but in the last chapter. After a change of a
//! message, read the difference; `INSTA_UPDATE=always` takes it.

use std::fmt::Write as _;

use crate::support::{Broker, Folder, Sample, unique};

/// Nobody listens there.
const NOWHERE: &str = "127.0.0.1:1";

/// `CONSUME` is a command that would run if there were a broker.
const CONSUME: &str = "redrive consume -b 127.0.0.1:1 -t orders -g shop";

const WITHOUT_A_BROKER: &str = r#"
# Commands
redrive consum
redrive error list
redrive errors lst
redrive list
redrive nosuch
redrive help nosuch
redrive incidents
redrive -o json
redrive consume errors list
redrive errors show 1 2
redrive group
redrive group resett
redrive reset -g shop
redrive policy
redrive policy explan
redrive policy check
redrive policy check nowhere.toml
redrive policy explain 1 --last 5
redrive policy explain --last 0
redrive policy explain --last 5
redrive demo --journal x.db
redrive demo -o json
redrive demo now

# Flags
redrive consume --recever a=discard:
redrive consume --nosuch
redrive consume -z
redrive consume -topic orders
redrive -t orders consume -g shop
redrive errors list --from earliest
redrive incidents list --stage decode
redrive consume -t
redrive consume --dry-run=yes
redrive consume --dry-run yes -t orders
redrive errors list --state open resolved
redrive errors list --partition 3
redrive errors show
redrive errors show 42 --raw --payload hex
redrive consume --sasl-password s3cret
redrive consume -X sasl.password s3cret
redrive errors list $'\xff'

# Words and numbers
redrive errors list --state opn
redrive errors list --state open,gone
redrive errors list --state ''
redrive errors list --stage recieve
redrive errors list --class Transient
redrive errors list --sort newst
redrive incidents list --kind broker
redrive errors show 42 --payload xml
redrive errors list --limit -5
redrive errors list --limit ten
redrive errors list -t orders --partition -1
redrive errors show abc
redrive errors list --type 'order.*'
redrive errors list --since yesterday
redrive errors list --older-than 3
redrive errors list --offset orders:9..7
redrive errors list -o jsn
redrive errors list -o json --color alwys
REDRIVE_LOG_FORMAT=yaml redrive errors list
REDRIVE_OUTPT=json redrive errors list

# Settings of consume
redrive consume
redrive consume -t orders
redrive consume -t orders -g shop
redrive consume -t orders -g shop --receiver audit=discard:
CONSUME --receiver audit=discard: --order keys
CONSUME --receiver audit=discard: --from erliest
CONSUME --receiver audit=discard: --from '2026-11-23 05:00'
CONSUME --receiver audit=discard: --commit-interval 5
CONSUME --receiver audit=discard: --idle-exit 0s
CONSUME --receiver audit=discard: --max-in-flight-bytes 8MB
CONSUME --receiver audit=discard: --max-records -1
CONSUME --receiver audit=discard: --format jsn
CONSUME --receiver audit=discard: --schema-registry localhost:8081
CONSUME --receiver audit=discard: --schema-registry http://me:s3cret@registry:port
CONSUME --receiver audit=discard: --schema-registry http://me:s3c,ret@registry
CONSUME --receiver audit=discard: --schema-registry http://me:1,s3cret@registry
CONSUME --receiver audit=discard: --schema-registry http://one:8081,two:8081
CONSUME --receiver audit=discard: --schema-registry http://a,https://b --schema-registry-key-file key.pem
CONSUME --receiver audit=discard: --schema-registry http://a --schema-registry-ca-file ca.pem
CONSUME --receiver audit=discard: --schema-registry https://a --schema-registry-ca-file worker.py
CONSUME --receiver audit=discard: --schema-registry http://a --schema-registry-timeout 0s
CONSUME --receiver audit=discard: --schema-registry http://a --schema-registry-basic-auth s3cret
CONSUME --receiver audit=discard: --schema-registry http://me:s3cret@a --schema-registry-bearer-token s3cret
CONSUME --receiver audit=discard: --schema-registry http://a --schema-registry-bearer-token @nosuch
CONSUME --receiver audit=discard: --schema-registry-bearer-token s3cret
CONSUME --receiver audit=discard: --enabled no
CONSUME --receiver audit=discard: --event-type-from headr:x
REDRIVE_DRY_RUN=yes CONSUME --receiver audit=discard:
redrive consume -b 127.0.0.1:1 -t 'my orders' -g shop --receiver audit=discard:
redrive consume -b 127.0.0.1:1 -t '^(' -g shop --receiver audit=discard:
redrive consume -b 127.0.0.1:1 -t '' -g shop --receiver audit=discard:
redrive consume -b kafka:http -t orders -g shop --receiver audit=discard:

# Receivers
CONSUME --receiver discard:
CONSUME --receiver billing
CONSUME --receiver 'https://me:s3cret@shop/?a=b'
CONSUME --receiver Billing=discard:
CONSUME --receiver billing=htp://shop/events
CONSUME --receiver billing=stdout
CONSUME --receiver 'billing=python3 worker.py --password s3cret'
CONSUME --receiver billing=exec:
CONSUME --receiver "billing=exec:worker --password 's3cret"
CONSUME --receiver billing=exec:worker.py
CONSUME --receiver billing=exec:./worker.py
CONSUME --receiver billing=http:shop
CONSUME --receiver billing=https://me:s3/cret@shop/
CONSUME --receiver 'billing=kafka:my topic'
CONSUME --receiver billing=file:.
CONSUME --receiver billing=file:nosuch/billing.jsonl
CONSUME --receiver billing=file:redrive.db
CONSUME --receiver billing=stdout: -o json
CONSUME --receiver billing=discard: --receiver billing=stdout:
CONSUME --receiver billing=discard: --receiver-option biling.timeout=5s
CONSUME --receiver billing=discard: --receiver-option billing.timout=5s
CONSUME --receiver billing=discard: --receiver-option billing.timeout=5
CONSUME --receiver billing=discard: --receiver-option billing.window=3
CONSUME --receiver billing=discard: --receiver-option timeout=5s
CONSUME --receiver billing=http://shop/ --receiver-option billing.mode=structurd
CONSUME --receiver billing=http://shop/ --receiver-option billing.bearer_token=@nosuch
CONSUME --receiver billing=https://me:s3cret@shop/ --receiver-option billing.bearer_token=s3cret
CONSUME --receiver billing=https://shop/ --receiver-option billing.ca_file=worker.py
CONSUME --receiver billing=https://shop/ --receiver-option billing.key_file=key.pem
redrive consume -b 127.0.0.1:1 -t orders -g shop --config many.toml
redrive doctor -t orders --receiver billing=htp://shop/events
redrive doctor --receiver billing

# Replay
redrive replay
redrive replay --dry-run
redrive replay -g shop
redrive replay orders
redrive replay 42 0
redrive replay 42 --receiver billing
redrive replay 42 --offset orders:3:7
redrive replay --offset orders:7 --to all
redrive replay 42 --state open
redrive replay 42 --all
redrive replay --all --code http_503
redrive replay --offset orders:3:7 --all
redrive replay --offset orders:3:7 -t orders
redrive replay --offset orders:3:7 --receiver billing
redrive replay --offset 7..9
redrive replay --offset orders:3:9..7
redrive replay --offset 'orders:*:@yesterday..'
redrive replay --partition 3
redrive replay --since yesterday
redrive replay 42 --to ''
redrive replay 42 --to all,billing
redrive replay 42 --map billing
redrive replay 42 --map a=b --map a=c
redrive replay 42 --source kafka
redrive replay 42 --rate fast
redrive replay 42 --rate 0/s
redrive replay 42 --max-failures 0
redrive replay 42 --yes=no
redrive replay 42 --from earliest
redrive replay 42 --execute
REDRIVE_YES=true redrive replay 42
redrive replay 42
redrive replay 42 --receiver billing=htp://shop/events
redrive replay --receiver discard:
redrive replay --all --receiver 'https://me:s3cret@shop/?a=b'
redrive replay 42 --receiver audit=discard:
redrive replay 42 --receiver audit=discard: -b 127.0.0.1:1 --order keys
redrive replay 42 --receiver audit=stdout: -b 127.0.0.1:1 -o json
redrive replay 42 -o json
redrive replay 42 -g shop -g '' --receiver audit=discard:

# Kafka properties
CONSUME --receiver audit=discard: -X sasl.pasword=s3cret
CONSUME --receiver audit=discard: -X s3cret
CONSUME --receiver audit=discard: -X group.id=other
CONSUME --receiver audit=discard: -X security.protocol=SSL_SASL
CONSUME --receiver audit=discard: -X session.timeout.ms=soon
CONSUME --receiver audit=discard: -X ssl.truststore.location=ca.jks
CONSUME --receiver audit=discard: -X sasl.password=@nosuch
CONSUME --receiver audit=discard: -X sasl.password=env:NOSUCH
CONSUME --receiver audit=discard: --command-config nosuch.properties
CONSUME --receiver audit=discard: --command-config cut.properties

# Groups
redrive group describe
redrive group reset -t orders --to-latest
redrive group reset -g shop --to-latest
redrive group reset -g shop -t orders
redrive group reset -g shop -t orders --to-latest --to-earliest
redrive group reset -g shop -t orders --all-topics --to-latest
redrive group reset -g shop -t orders --to-latst
redrive group reset -g shop -t orders:x --to-latest
redrive group reset -g shop -t '^orders' --to-latest
redrive group reset -g shop -t orders --to-offset
redrive group reset -g shop -t orders --to-offset ten
redrive group reset -g shop -t orders --to-datetime 2026-11-23T05:00:00
redrive group reset -g shop -t orders --to-datetime 2h
redrive group reset -g shop -t orders --by-duration P1M
redrive group reset -g shop -t orders --by-duration 2
redrive group reset -g shop -t orders --shift-by 5x
redrive group reset -g shop -t orders --to-failure abc
redrive group reset -g shop -t orders --to-failure 7
redrive group reset -g shop -t orders --to-progress
redrive group reset -g shop -t orders --to-latest --wait-empty 5
redrive group reset -g shop --from-file nosuch.csv
redrive group reset -g shop --from-file plan.csv
redrive group reset -g shop -t orders --to-latest
redrive group undo
redrive group undo 0
redrive group undo seven
redrive group history

# Files
redrive errors list
redrive errors list --journal ''
redrive errors list --journal .
redrive errors list --journal worker.py
redrive errors list --journal nosuch/redrive.db
REDRIVE_CONFIG=nosuch.toml redrive errors list
redrive errors list --config .
redrive errors list --config broken.toml
redrive errors list --config unknown.toml
redrive errors list --config unquoted.toml
redrive consume --config receivers.toml
"#;

const WITH_A_BROKER: &str = "
# With a broker, and a journal
redrive consume -b NOWHERE -t TOPIC -g shop --receiver audit=discard:
redrive consume -b BROKER -t TYPO -g shop --receiver audit=discard:
redrive consume -b BROKER -t TOPIC -g other --receiver audit=discard:
redrive consume -b BROKER -t TOPIC -g shop --receiver copies=kafka:TYPO
redrive consume -b BROKER -t TOPIC -g shop --receiver copies=kafka:TOPIC
redrive consume -b BROKER -t TOPIC -g shop --receiver audit=discard: --journal .
redrive consume -b BROKER -t TOPIC -g shop --receiver audit=discard: --journal nosuch/redrive.db
redrive group list -b NOWHERE -o json
redrive group describe -b BROKER -g shpo
redrive group reset -b BROKER -g shpo -t TOPIC --to-latest
redrive group reset -b BROKER -g shop -t TYPO --to-latest
redrive group reset -b BROKER -g shop -t TOPIC:7 --to-latest
redrive group reset -b BROKER -g shop -t TOPIC --to-offset 99 --strict
redrive group reset -b BROKER -g shop -t TOPIC --to-failure 99
redrive group undo -b BROKER
redrive group undo -b BROKER 99
redrive errors show 99
redrive incidents show 99
redrive errors list --fingerprint 9f2
redrive errors list --fingerprint abcdef012345
redrive errors list -t TYPO
redrive errors list --code mising_type -g shp
redrive incidents list -t TYPO
";

fn files(folder: &Folder) {
    folder.write("worker.py", "print('hello')\n");
    folder.write("cut.properties", "security.protocol=SASL_SSL\nsasl.password\n");
    folder.write("plan.csv", "orders,0,5\norders,0,6\n");
    folder.write("broken.toml", "topic = [\"orders\"\ngroup = \"shop\"\n");
    folder.write("unknown.toml", "topic = \"orders\"\nreciever = []\n");
    folder.write("unquoted.toml", "group = s3cret\n");
    folder.write("receivers.toml", "[[receiver]]\nname = \"billing\"\ntarget = \"exec:cat\"\nretires = 3\n");
    let many = (0..65).map(|number| format!("[[receiver]]\nname = \"r{number}\"\ntarget = \"discard:\"\n"));
    folder.write("many.toml", &many.collect::<String>());
}

/// Runs a line, and adds all that is seen to the story.
fn run(folder: &Folder, line: &str, story: &mut String) {
    let words = shell_words::split(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let program = words.iter().position(|word| word == "redrive").unwrap_or_else(|| panic!("{line}: it runs nothing"));
    let (variables, words) = words.split_at(program);
    let command = variables.iter().fold(folder.redrive([]).env("PATH", "/usr/bin:/bin"), |command, variable| {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value)
    });
    let command = words.iter().skip(1).fold(command, |command, word| match word.as_str() {
        r"$\xff" => command.bytes(b"\xff"),
        word => command.args([word]),
    });
    let output = command.run();
    writeln!(story, "$ {line}\n{}{}exit {}\n", output.stdout, output.stderr, output.code().unwrap()).unwrap();
}

fn tell(folder: &Folder, lines: &str) -> String {
    let mut story = String::new();
    for line in lines.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix('#') {
            Some(_) => writeln!(story, "{line}\n").unwrap(),
            None => run(folder, &line.replace("CONSUME", CONSUME), &mut story),
        }
    }
    story
}

#[test]
fn every_wrong_invocation_says_what_is_wrong_and_what_to_do() {
    let folder = Folder::new();
    files(&folder);
    let mut story = tell(&folder, WITHOUT_A_BROKER);
    assert!(!folder.path().join("redrive.db").exists(), "a wrong invocation made a journal");

    let (broker, group) = (Broker::shared(), unique("shop"));
    let topic = broker.topic("orders", 1);
    topic.produce(&[Sample::value("no event")]);
    let arguments = ["--from", "earliest", "--until-end", "--no-startup-guard", "--receiver", "audit=discard:"];
    folder.consume(&topic, &group, arguments).run().expect_code(0);
    let (address, name, typo) = (broker.bootstrap(), topic.name().to_owned(), topic.name().replace("orders", "ordres"));
    let lines = WITH_A_BROKER.replace("NOWHERE", NOWHERE).replace("BROKER", &address);
    let told = tell(&folder, &lines.replace("TOPIC", &name).replace("TYPO", &typo).replace("-g shop", &format!("-g {group}")));
    let plain = [(&address, "localhost:9092"), (&name, "orders"), (&typo, "ordres"), (&group, "shop")];
    story += &plain.into_iter().fold(told, |told, (found, plain)| told.replace(found.as_str(), plain));

    let said = story.lines().filter(|line| !line.starts_with("$ "));
    assert_eq!(said.filter(|line| line.contains("s3")).collect::<Vec<_>>(), [""; 0], "a secret is shown");
    insta::assert_snapshot!(without_what_changes(&story));
}

/// Times, and the journal's id.
fn without_what_changes(story: &str) -> String {
    let time = regex::Regex::new(r"\d\d:\d\d:\d\dZ").unwrap();
    let id = regex::Regex::new(r"\([0-9a-f]{8}\)").unwrap();
    id.replace_all(&time.replace_all(story, "05:00:00Z"), "(7c1f09aa)").into_owned()
}
