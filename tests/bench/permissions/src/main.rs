//! How long one permission check takes, by the number of grants. The bar: 20 µs with 10,000 of them.
//!
//! ```text
//! image-build/argos-image cargo -- run --release -p argos-bench-permissions
//! ```
//!
//! Each check is timed by itself, on needs that are granted, refused, and neither, among grants of one
//! agent as a person makes them: folders beside and beneath each other, hosts, patterns, words. `all`
//! is the rule applied to every grant, for comparison. What a permitted call asks besides, which paths
//! are refused, is timed among the same grants and no refusals of paths. The program fails where the
//! slowest kind is over the bar in its 99th percentile.

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use argos_broker::grants::{GrantStore, Word};
use argos_broker::permission::{Fallback, NETWORK, Need, Scope, Subject, Verdict, decide};

const BAR: Duration = Duration::from_micros(20);
const CHECKS: usize = 20_000;

fn need(action: &str, resource: String) -> Need {
    Need {
        action: action.to_owned(),
        resource,
    }
}

/// The `n`th thing that was granted.
fn granted(n: usize) -> Need {
    match n % 5 {
        0 | 1 => need("read", format!("/home/argos/Documents/{}/{n}", n % 97)),
        2 => need("write", format!("/home/argos/Projects/p{n}/src")),
        3 => need(NETWORK, format!("*.host{n}.example.org")),
        _ => need(NETWORK, format!("host{n}.example.org:8443")),
    }
}

/// A store of so many grants, with every tenth a refusal.
fn store(count: usize, folder: &std::path::Path) -> anyhow::Result<GrantStore> {
    // One file is read, instead of one being written for each grant.
    let path = folder.join(format!("{count}.json"));
    let grants: Vec<String> = (0..count)
        .map(|n| {
            let Need { action, resource } = granted(n);
            let verdict = if n % 10 == 9 { "deny" } else { "allow" };
            format!(
                r#"{{"id": {}, "agent": "steward", "agent_hash": "h", "action": "{action}",
                "resource": "{resource}", "verdict": "{verdict}", "scope": "always", "created_ms": 1}}"#,
                n + 1
            )
        })
        .collect();
    let text = format!(
        r#"{{"version": 2, "next_id": {}, "grants": [{}]}}"#,
        count + 1,
        grants.join(",")
    );
    std::fs::write(&path, text)?;
    let (store, warning) = GrantStore::open(&path);
    anyhow::ensure!(warning.is_none(), "{warning:?}");
    anyhow::ensure!(store.all().len() == count);
    Ok(store)
}

/// A kind of needs: its name, and the need of each check.
type Kind = (&'static str, Box<dyn Fn(usize) -> Need>);

/// The kinds of needs, each a little different from check to check.
fn kinds(count: usize) -> [Kind; 6] {
    let at = move |n: usize, kind: usize| (n * 7919 % count.max(5)) / 5 * 5 + kind;
    [
        (
            "beneath a granted folder",
            Box::new(move |n| {
                let n = at(n, 0);
                need(
                    "read",
                    format!("/home/argos/Documents/{}/{n}/a/b/c.txt", n % 97),
                )
            }),
        ),
        (
            "beside all folders",
            Box::new(|n| need("read", format!("/home/argos/Documents/{}/x{n}", n % 97))),
        ),
        (
            "the longest path",
            Box::new(move |n| {
                let n = at(n, 2);
                need(
                    "write",
                    format!("/home/argos/Projects/p{n}/src{}", "/a".repeat(2000)),
                )
            }),
        ),
        (
            "a host by a pattern",
            Box::new(move |n| need(NETWORK, format!("a.b.host{}.example.org", at(n, 3)))),
        ),
        (
            "a host at a port",
            Box::new(move |n| need(NETWORK, format!("host{}.example.org:8443", at(n, 4)))),
        ),
        (
            "a host of nobody",
            Box::new(|n| need(NETWORK, format!("www{n}.elsewhere.net"))),
        ),
    ]
}

/// Median, 99th percentile and longest of these.
fn of(mut times: Vec<Duration>) -> [Duration; 3] {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    [at(50), at(99), at(100)]
}

fn micros(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e6)
}

fn main() -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let subject = Subject {
        agent: "steward".to_owned(),
        hash: "h".to_owned(),
    };
    let mut worst = Duration::ZERO;
    println!("µs for one check             grants     p50     p99   longest   all (p50)");
    for count in [10, 1_000, 10_000] {
        let store = store(count, folder.path())?;
        for (kind, make) in kinds(count) {
            let needs: Vec<Need> = (0..CHECKS).map(make).collect();
            let by_index = |need: &Need| {
                black_box(store.decide(&subject, need, Fallback::Ask, 2));
            };
            let by_all = |need: &Need| {
                black_box(decide(store.all(), &subject, need, Fallback::Ask, 2));
            };
            let timed = |check: &dyn Fn(&Need), needs: &[Need]| {
                of(needs
                    .iter()
                    .map(|need| {
                        let started = Instant::now();
                        check(need);
                        started.elapsed()
                    })
                    .collect())
            };
            let [p50, p99, longest] = timed(&by_index, &needs);
            let [slow, ..] = timed(&by_all, &needs[..200]);
            println!(
                "{kind:26} {count:8} {:>7} {:>7} {:>9} {:>11}",
                micros(p50),
                micros(p99),
                micros(longest),
                micros(slow)
            );
            worst = worst.max(p99);
        }
        let refused = || black_box(store.refused_paths("steward", "write", 2).count());
        let [p50, p99, longest] = of((0..CHECKS)
            .map(|_| {
                let started = Instant::now();
                refused();
                started.elapsed()
            })
            .collect());
        println!(
            "{:26} {count:8} {:>7} {:>7} {:>9}",
            "which paths are refused",
            micros(p50),
            micros(p99),
            micros(longest)
        );
        worst = worst.max(p99);
    }
    let mut store = store(10_000, folder.path())?;
    let started = Instant::now();
    let word = Word {
        subject: &subject,
        need: &need("read", "/tmp".to_owned()),
        verdict: Verdict::Allow,
        scope: Scope::Always,
        expires_ms: None,
    };
    store.add(word, 2)?;
    println!(
        "one more grant, kept on disk: {} ms",
        started.elapsed().as_millis()
    );
    let good = worst <= BAR;
    println!(
        "p99 {} µs, bar {} µs: {}",
        micros(worst),
        micros(BAR),
        if good { "met" } else { "missed" }
    );
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
