//! Running scenarios one after the other, and keeping what a failure left.

use std::time::Instant;

use anyhow::Result;

/// One thing that has to hold of the booted image.
pub struct Scenario<C> {
    /// Name as it is printed and chosen by.
    pub name: &'static str,
    /// Its steps.
    pub run: fn(&mut C) -> Result<()>,
}

// Not derived: that would ask the same of the context, of which only its name is used here.
impl<C> Copy for Scenario<C> {}

impl<C> Clone for Scenario<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> std::fmt::Debug for Scenario<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// How a round went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Scenarios that held.
    pub passed: u32,
    /// Scenarios that did not.
    pub failed: u32,
}

/// The scenarios whose name contains `filter`.
pub fn matching<C>(scenarios: &[Scenario<C>], filter: &str) -> Vec<Scenario<C>> {
    let mut scenarios = scenarios.to_vec();
    scenarios.retain(|s| s.name.contains(filter));
    scenarios
}

/// Runs the scenarios; `on_failure` keeps what a failure left.
pub fn run_all<C>(
    context: &mut C,
    scenarios: &[Scenario<C>],
    mut on_failure: impl FnMut(&mut C, &str),
) -> Tally {
    let mut tally = Tally::default();
    for scenario in scenarios {
        eprintln!("--- {}", scenario.name);
        let begin = Instant::now();
        match (scenario.run)(context) {
            Ok(()) => {
                tally.passed += 1;
                eprintln!(
                    "    {}: ok ({:.1} s)",
                    scenario.name,
                    begin.elapsed().as_secs_f64()
                );
            }
            Err(error) => {
                tally.failed += 1;
                eprintln!(
                    "    {}: FAILED ({:.1} s): {error:#}",
                    scenario.name,
                    begin.elapsed().as_secs_f64()
                );
                on_failure(context, scenario.name);
            }
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_filters() {
        let scenarios = [
            Scenario {
                name: "good",
                run: |n: &mut u32| {
                    *n += 1;
                    Ok(())
                },
            },
            Scenario {
                name: "bad",
                run: |_| anyhow::bail!("no"),
            },
        ];
        let (mut n, mut kept) = (0, Vec::new());
        let tally = run_all(&mut n, &matching(&scenarios, ""), |_, name| {
            kept.push(name.to_owned());
        });
        assert_eq!(
            (tally, n, kept),
            (
                Tally {
                    passed: 1,
                    failed: 1
                },
                1,
                vec!["bad".to_owned()]
            )
        );
        let good = matching(&scenarios, "goo");
        assert_eq!(run_all(&mut n, &good, |_, _| ()).failed, 0);
    }
}
