//! `GET /metrics`: Prometheus' text format, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

/// Upper bounds of the buckets, in seconds.
const BUCKETS: [f64; 12] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// Durations by size.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    /// Of each bucket alone; the last is beyond all bounds.
    counts: [AtomicU64; BUCKETS.len() + 1],
    microseconds: AtomicU64,
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let seconds = time.as_secs_f64();
        let bucket = BUCKETS.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(micros, Ordering::Relaxed);
    }

    fn write(&self, out: &mut String, name: &str, help: &str) {
        let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} histogram");
        let mut sum = 0;
        for (i, count) in self.counts.iter().enumerate() {
            sum += count.load(Ordering::Relaxed);
            let bound = BUCKETS.get(i).map_or("+Inf".into(), f64::to_string);
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {sum}");
        }
        let seconds = self.microseconds.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = writeln!(out, "{name}_sum {seconds}\n{name}_count {sum}");
    }
}

/// What HTTP counts itself.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Answered requests by endpoint and status.
    requests: Mutex<BTreeMap<(&'static str, u16), u64>>,
    /// From a request's arrival to the last byte of its answer.
    pub(crate) durations: Histogram,
    /// From a request's arrival to its first token.
    pub(crate) first_token: Histogram,
    /// Connections that are open.
    pub(crate) connections: AtomicU64,
}

impl Metrics {
    pub(crate) fn count(&self, endpoint: &'static str, status: u16) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        *requests.entry((endpoint, status)).or_default() += 1;
    }

    /// The page. `statistics` is what the service says of itself and its models.
    pub(crate) fn page(&self, statistics: &Value) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        head(
            &mut out,
            "argos_ai_http_requests_total",
            "counter",
            "Requests by endpoint and status.",
        );
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for ((endpoint, status), count) in requests {
            let _ = writeln!(
                out,
                "argos_ai_http_requests_total{{endpoint=\"{endpoint}\",status=\"{status}\"}} {count}"
            );
        }
        self.durations.write(
            &mut out,
            "argos_ai_http_request_seconds",
            "From a request's arrival to the last byte of its answer.",
        );
        self.first_token.write(
            &mut out,
            "argos_ai_time_to_first_token_seconds",
            "From a request's arrival to the first piece of its answer.",
        );
        head(
            &mut out,
            "argos_ai_http_connections",
            "gauge",
            "Open connections.",
        );
        let connections = self.connections.load(Ordering::Relaxed);
        let _ = writeln!(out, "argos_ai_http_connections {connections}");
        for (name, key, kind, help) in [
            (
                "argos_ai_prompt_tokens_total",
                "prompt_tokens",
                "counter",
                "Tokens of prompts that were answered.",
            ),
            (
                "argos_ai_completion_tokens_total",
                "completion_tokens",
                "counter",
                "Tokens generated.",
            ),
            (
                "argos_ai_cancelled_total",
                "cancelled",
                "counter",
                "Answers that nobody waited for any more.",
            ),
            (
                "argos_ai_resident_memory_bytes",
                "memory_bytes",
                "gauge",
                "Resident memory of the service.",
            ),
        ] {
            if let Some(value) = statistics[key].as_u64() {
                head(&mut out, name, kind, help);
                let _ = writeln!(out, "{name} {value}");
            }
        }
        for (name, key, help) in [
            (
                "argos_ai_model_memory_bytes",
                "memory_bytes",
                "Memory of a loaded model.",
            ),
            (
                "argos_ai_model_slots",
                "slots",
                "Requests that a model runs at once.",
            ),
            ("argos_ai_model_running", "running", "Requests in a slot."),
            (
                "argos_ai_model_waiting",
                "waiting",
                "Requests without a slot.",
            ),
        ] {
            head(&mut out, name, "gauge", help);
            for (model, value) in statistics["models"].as_object().into_iter().flatten() {
                if let Some(value) = value[key].as_u64() {
                    let _ = writeln!(out, "{name}{{model=\"{}\"}} {value}", label(model));
                }
            }
        }
        out
    }
}

/// A label's value, quoted.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_cumulative_and_names_are_quoted() {
        let metrics = Metrics::default();
        for ms in [1, 7, 7, 600, 500_000] {
            metrics.durations.record(Duration::from_millis(ms));
        }
        metrics.count("/v1/models", 200);
        metrics.count("/v1/models", 200);
        let page = metrics.page(&serde_json::json!({
            "prompt_tokens": 3,
            "models": {"a\"b": {"slots": 8}},
        }));
        for line in [
            "argos_ai_http_requests_total{endpoint=\"/v1/models\",status=\"200\"} 2",
            "argos_ai_http_request_seconds_bucket{le=\"0.005\"} 1",
            "argos_ai_http_request_seconds_bucket{le=\"0.01\"} 3",
            "argos_ai_http_request_seconds_bucket{le=\"1\"} 4",
            "argos_ai_http_request_seconds_bucket{le=\"+Inf\"} 5",
            "argos_ai_http_request_seconds_sum 500.615",
            "argos_ai_http_request_seconds_count 5",
            "argos_ai_model_slots{model=\"a\\\"b\"} 8",
            "argos_ai_prompt_tokens_total 3",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} is not in\n{page}");
        }
    }
}
