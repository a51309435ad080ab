//! An endpoint that cannot be used is told by its name within the time that a call may take.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::*;

const TIMEOUT: Duration = Duration::from_millis(1500);
/// What a busy machine may add.
const LATE: Duration = Duration::from_secs(2);

#[test]
fn an_endpoint_that_cannot_be_used_is_told_in_time() {
    let world = world();
    // It takes connections, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap();
    let no_connection = "gave no connection within";
    for (endpoint, told) in [
        (format!("https://{silent}"), no_connection),
        (format!("https://{silent},https://127.0.0.1:1"), no_connection),
        (format!("http://{silent}"), "did not answer within"),
        ("http://127.0.0.1:1".to_owned(), "refuses connections: start etcd there"),
        ("http://nowhere.invalid:2379".to_owned(), "is not known"),
    ] {
        let netconf = world.netconf_at(&endpoint, &json!({"timeout_ms": TIMEOUT.as_millis()}));
        for command in ["ADD", "DEL"] {
            let started = Instant::now();
            let answer = Call::new(command, "c", &netconf).run();
            let took = started.elapsed();
            let details = answer.json["details"].as_str().unwrap_or_default();
            assert!(!answer.success && took < TIMEOUT + LATE, "{endpoint}: {took:?}");
            assert!(details.contains(told), "{command} {endpoint}: {:?}", answer.json);
            let first = endpoint.split(',').next().unwrap();
            assert!(details.contains(first), "{command} {endpoint}: {:?}", answer.json);
        }
    }
}
