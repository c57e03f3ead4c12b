//! Running scenarios one after the other, and keeping what a failure left.

use std::time::Instant;

use anyhow::{Error, Result};

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

/// The emulator itself broke under a scenario, which says nothing about what runs in it.
#[derive(Debug, Clone, Copy)]
pub struct EmulatorCrash {
    /// What ended QEMU.
    pub signal: i32,
}

impl std::fmt::Display for EmulatorCrash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "QEMU was ended by signal {}", self.signal)
    }
}

impl std::error::Error for EmulatorCrash {}

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

/// Runs the scenarios. `on_failure` keeps what a failure left, and says whether it was the emulator
/// that broke: then the scenario is run once more.
pub fn run_all<C>(
    context: &mut C,
    scenarios: &[Scenario<C>],
    mut on_failure: impl FnMut(&mut C, &str, &Error) -> Option<EmulatorCrash>,
) -> Tally {
    let mut tally = Tally::default();
    for &Scenario { name, run } in scenarios {
        let mut again = true;
        eprintln!("--- {name}");
        loop {
            let begin = Instant::now();
            let result = run(context);
            let seconds = begin.elapsed().as_secs_f64();
            let Err(error) = result else {
                tally.passed += 1;
                eprintln!("    {name}: ok ({seconds:.1} s)");
                break;
            };
            let crash = on_failure(context, name, &error);
            if let Some(crash) = crash
                && std::mem::take(&mut again)
            {
                eprintln!("    {name}: once more, since {crash} ({seconds:.1} s): {error:#}");
                continue;
            }
            tally.failed += 1;
            eprintln!("    {name}: FAILED ({seconds:.1} s): {error:#}");
            break;
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
        let tally = run_all(&mut n, &matching(&scenarios, ""), |_, name, _| {
            kept.push(name.to_owned());
            None
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
        assert_eq!(run_all(&mut n, &good, |_, _, _| None).failed, 0);
    }
    #[test]
    fn only_a_broken_emulator_is_given_a_second_try_and_only_one() {
        let broken = Scenario {
            name: "broken",
            run: |n: &mut u32| {
                *n += 1;
                anyhow::bail!("no")
            },
        };
        let crash = EmulatorCrash { signal: 11 };
        for (crash, tries) in [(Some(crash), 2), (None, 1)] {
            let mut n = 0;
            let tally = run_all(&mut n, &[broken], |_, _, _| crash);
            assert_eq!((tally.failed, n), (1, tries));
        }
        let mut n = 0;
        let second = Scenario {
            name: "second",
            run: |n: &mut u32| {
                *n += 1;
                anyhow::ensure!(*n > 1, "no");
                Ok(())
            },
        };
        let tally = run_all(&mut n, &[second], |_, _, _| Some(crash));
        assert_eq!((tally.passed, tally.failed), (1, 0));
    }
}
