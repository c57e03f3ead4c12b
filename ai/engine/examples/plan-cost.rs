//! What one plan and one embedding cost: `cargo run --example plan-cost MODEL-FOLDER [REQUEST…]`.
//!
//! Prints load time, latencies, and the memory of the process before and after. `ARGOS_ONNXRUNTIME`
//! names the library.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use argos_engine::planner::Planner;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder: PathBuf = arguments
        .next()
        .ok_or("usage: plan-cost MODEL-FOLDER [REQUEST…]")?
        .into();
    let mut requests: Vec<String> = arguments.collect();
    if requests.is_empty() {
        requests.push("remind me to call the dentist tomorrow at 10".into());
    }
    println!("before: {}", memory());
    let start = Instant::now();
    let planner = Planner::load(&folder)?;
    println!(
        "load: {:.0} ms, {}",
        start.elapsed().as_secs_f64() * 1e3,
        memory()
    );
    let now = jiff::Zoned::now().datetime();
    for request in &requests {
        println!(
            "{request}\n  {}",
            serde_json::to_string(&planner.plan(request, &[], now)?)?
        );
    }
    time("plan", || planner.plan(&requests[0], &[], now).map(drop))?;
    time("embed", || planner.embed(&[requests[0].as_str()]).map(drop))?;
    let many = vec![requests[0].as_str(); 32];
    time("embed 32", || planner.embed(&many).map(drop))?;
    println!("after: {}", memory());
    Ok(())
}

fn time(what: &str, mut run: impl FnMut() -> argos_engine::Result<()>) -> argos_engine::Result<()> {
    run()?;
    let mut times = Vec::new();
    for _ in 0..40 {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    println!(
        "{what}: median {:.2} ms, best {:.2} ms",
        times[times.len() / 2],
        times[0]
    );
    Ok(())
}

/// Resident memory by what it is, where the system tells.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ["VmRSS", "RssAnon", "RssFile"]
        .iter()
        .filter_map(|key| status.lines().find(|l| l.starts_with(key)))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}
