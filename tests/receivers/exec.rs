//! `exec:` a worker in Python.

use redrive::Class;

use super::kind::{Check, Kind, Outcome};
use super::scene::Scene;

const WORKER: &str = r#"
import json, os, sys, time

def note(name, *words):
    with open(name, "a") as notes:
        notes.write(" ".join(str(word) for word in words) + "\n")

if os.path.exists("slow-start"):
    time.sleep(1)
for line in sys.stdin:
    delivery = json.loads(line)
    what, record = delivery["event"]["type"], delivery["record"]
    answer = {"sendid": delivery["sendid"], "ok": True}
    if what in ("transient", "permanent"):
        answer.update(ok=False, code="no", message="no", **{"class": what})
    elif what == "busy_once" and delivery["attempt"] == 1:
        answer.update(ok=False, code="busy", **{"class": "transient"})
    elif what == "unknown":
        answer.update(ok=False, code="no")
    elif what == "hang" and not os.path.exists("released"):
        note("hangs", os.getpid())
        time.sleep(1000)
    elif what == "die":
        os._exit(3)
    elif what == "huge":
        sys.stderr.write("y" * 20_000_000)
        sys.stderr.flush()
        answer["x"] = "x" * 15_000_000
    elif what == "slow":
        time.sleep(0.05)
    if answer["ok"]:
        note("got", record["partition"], record["offset"])
    print(json.dumps(answer), flush=True)
"#;

struct Exec;

pub(super) fn set_up(scene: &Scene) -> Box<dyn Kind> {
    scene.folder.write("worker.py", WORKER);
    Box::new(Exec)
}

impl Kind for Exec {
    fn target(&self) -> Option<String> {
        Some("exec:python3 -IS worker.py".to_owned())
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
            Class::Transient | Class::Permanent | Class::Unknown => Ok("no"),
            Class::Consumer => Err("a worker has no word for it"),
        }
    }

    fn death(&self) -> Outcome {
        Outcome::Fails(Class::Unknown, "process_died")
    }

    fn can_wait(&self) -> bool {
        true
    }
}
