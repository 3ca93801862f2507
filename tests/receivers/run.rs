//! `run:` a shell script.

use redrive::Class;

use super::kind::{Check, Kind, Outcome};
use super::scene::Scene;

const SCRIPT: &str = r#"
[ ! -e slow-start ] || sleep 1
case $REDRIVE_EVENT_TYPE in
    transient) exit 75 ;;
    permanent) exit 65 ;;
    unknown) exit 1 ;;
    busy_once) [ $REDRIVE_DELIVERY_ATTEMPT != 1 ] || exit 75 ;;
    hang)
        if [ ! -e released ]; then
            sleep 1000 &
            printf '%s\n%s\n' $$ $! >> hangs
            wait
        fi ;;
    die) kill -9 $$ ;;
    huge)
        head -c 20000000 /dev/zero
        head -c 100000000 /dev/zero >&2 ;;
    slow) sleep 0.05 ;;
esac
echo $REDRIVE_RECORD_PARTITION $REDRIVE_RECORD_OFFSET >> got
"#;

struct Run;

pub(super) fn set_up(scene: &Scene) -> Box<dyn Kind> {
    scene.folder.write("program.sh", SCRIPT);
    Box::new(Run)
}

impl Kind for Run {
    fn target(&self) -> Option<String> {
        Some("run:/bin/sh program.sh".to_owned())
    }

    fn excuse(&self, check: Check) -> Option<&'static str> {
        match check {
            Check::Ok
            | Check::Failures
            | Check::Timeout
            | Check::Death
            | Check::SlowStart
            | Check::HugeAnswers
            | Check::Memory
            | Check::Cancellation
            | Check::Drain
            | Check::Order => None,
        }
    }

    fn failure(&self, class: Class) -> Result<&'static str, &'static str> {
        match class {
            Class::Transient | Class::Permanent | Class::Unknown => Ok("rejected"),
            Class::Consumer => Err("no exit status means it"),
        }
    }

    fn death(&self) -> Outcome {
        Outcome::Fails(Class::Unknown, "process_died")
    }

    fn can_wait(&self) -> bool {
        true
    }
}
