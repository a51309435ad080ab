//! What every refusal of the plugin is held to.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::plugin::{Answer, Call};

/// The longest that a refusal may take; what waits for something sets a shorter time.
const REFUSAL_MAX: Duration = Duration::from_secs(5);
/// The longest message: it becomes part of an event, whose length is limited.
const MESSAGE_BYTES_MAX: usize = 500;
/// With these a runtime takes a failed DEL for a successful one.
const MISLEADING: [&str; 2] = ["not found", "no such file or directory"];

/// How a call is to be refused.
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// The number of the error.
    pub code: u64,
    /// How the message begins: with the thing at fault.
    pub says: &'a str,
    /// What the message or its details name besides.
    pub names: &'a [&'a str],
}

impl Refusal<'_> {
    /// Makes a call, and says what is wrong with its answer; nothing where all is right.
    #[must_use]
    pub fn faults_of(&self, call: &Call) -> Vec<String> {
        let started = Instant::now();
        let answer = call.run();
        let mut faults = self.judge(call, &answer);
        if started.elapsed() > REFUSAL_MAX {
            faults.push(format!("it took {:?}", started.elapsed()));
        }
        if !faults.is_empty() {
            faults.push(format!("{answer:?}"));
        }
        faults
    }

    fn judge(&self, call: &Call, answer: &Answer) -> Vec<String> {
        let details = answer.json["details"].as_str().unwrap_or_default();
        let all = format!("{}; {details}", answer.message());
        let mut faults = Vec::new();
        let mut demand = |holds: bool, fault: String| {
            if !holds {
                faults.push(fault);
            }
        };
        demand(answer.exit == Some(1), "exit code 1 is missing".to_owned());
        demand(answer.code() == Some(self.code), format!("code {} is missing", self.code));
        demand(answer.message().starts_with(self.says), format!("it does not say {:?}", self.says));
        for name in self.names {
            demand(all.contains(name), format!("it does not name {name:?}"));
        }
        let spoken = ["0.1.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"].map(Value::from);
        demand(spoken.contains(&answer.json["cniVersion"]), "no cniVersion".to_owned());
        demand(!answer.stderr.contains("panicked"), "it panicked".to_owned());
        let is_line =
            answer.message().len() <= MESSAGE_BYTES_MAX && !all.contains(char::is_control);
        demand(is_line, "it is not one line of bounded length".to_owned());
        if call.is("DEL") {
            let lower = all.to_lowercase();
            let sounds_well = MISLEADING.iter().any(|phrase| lower.contains(phrase));
            demand(!sounds_well, "it makes a runtime take the DEL for done".to_owned());
        }
        faults
    }
}
