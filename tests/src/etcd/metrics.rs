//! What a server counts.

/// The counters of a server at one moment.
#[derive(Clone, Debug)]
pub struct Metrics {
    text: String,
}

impl Metrics {
    pub(super) fn new(text: String) -> Self {
        Self { text }
    }

    /// Returns how many calls of a method of etcd's key-value service were answered, whatever the answer: `Txn`, `Range`,
    /// `Put` or `DeleteRange`.
    #[must_use]
    pub fn answered(&self, method: &str) -> u64 {
        let service = "grpc_service=\"etcdserverpb.KV\"";
        let method = format!("grpc_method=\"{method}\"");
        self.sum("grpc_server_handled_total", &[service, &method])
    }

    /// Returns how many reads and writes were answered.
    #[must_use]
    pub fn reads_and_writes(&self) -> u64 {
        ["Txn", "Range", "Put", "DeleteRange"].iter().map(|method| self.answered(method)).sum()
    }

    /// Returns how many logins were answered.
    #[must_use]
    pub fn logins(&self) -> u64 {
        self.sum("grpc_server_handled_total", &["grpc_method=\"Authenticate\""])
    }

    /// Says whether the server leads its cluster.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.sum("etcd_server_is_leader", &[]) == 1 && self.sum("etcd_server_has_leader", &[]) == 1
    }

    /// Adds up the counters of a name that bear each of the labels, written as in the text: `name="value"`.
    #[must_use]
    pub fn sum(&self, name: &str, labels: &[&str]) -> u64 {
        let of_name = |line: &&str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with('{') || rest.starts_with(' '))
        };
        let lines = self.text.lines().filter(of_name);
        lines
            .filter(|line| labels.iter().all(|label| line.contains(label)))
            .filter_map(|line| whole(line.rsplit(' ').next()?))
            .sum()
    }
}

/// Reads a counter, which is written as `1.234567e+06` from a million on.
fn whole(text: &str) -> Option<u64> {
    let number: f64 = text.parse().ok()?;
    format!("{number:.0}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Metrics;

    #[test]
    fn counters_are_added_up_by_name_and_labels() {
        let text = "# TYPE grpc_server_handled_total counter\n\
            grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Txn\",grpc_service=\"etcdserverpb.KV\"} 5\n\
            grpc_server_handled_total{grpc_code=\"Unknown\",grpc_method=\"Txn\",grpc_service=\"etcdserverpb.KV\"} 2\n\
            grpc_server_handled_total{grpc_code=\"OK\",grpc_method=\"Range\",grpc_service=\"etcdserverpb.KV\"} 1\n\
            etcd_server_is_leader 1\netcd_server_has_leader 1\n\
            etcd_network_client_grpc_received_bytes_total 1.234567e+06\n";
        let metrics = Metrics::new(text.to_owned());
        assert_eq!((metrics.answered("Txn"), metrics.answered("Put")), (7, 0));
        assert_eq!(metrics.reads_and_writes(), 8);
        assert!(metrics.is_leader());
        assert_eq!(metrics.sum("etcd_network_client_grpc_received_bytes_total", &[]), 1_234_567);
    }
}
