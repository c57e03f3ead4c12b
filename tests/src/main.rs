//! `argos-e2e`: the scenarios that have to hold of the booted image.
//!
//! The machine boots once to the desktop, and its state is saved; the scenarios that only use the
//! desktop start from there. Those that are about booting and ending start machines of their own.

mod cards;
mod desktop;
mod escape;
mod greeter;
mod lease;
mod lifecycle;
mod lock;
mod programs;
mod record;
mod stage;
mod tools;
mod tour;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use argos_e2e::scenario::{self, Scenario};
use clap::Parser;

use crate::stage::Stage;

/// Runs the scenarios against the test profile's image. Started by `argos-image --profile test test`.
#[derive(Debug, Parser)]
struct Cli {
    /// Only scenarios whose name contains this.
    #[arg(long, default_value = "")]
    scenario: String,
    /// Run them this many times.
    #[arg(long, default_value_t = 1)]
    repeat: u32,
    /// Also the slow ones.
    #[arg(long)]
    all: bool,
    /// Hold the boot to its bars, which are for a quiet machine.
    #[arg(long)]
    bars: bool,
    /// List those that the other options choose, and run none.
    #[arg(long)]
    list: bool,
}

/// Run every time, in this order.
const SCENARIOS: &[Scenario<Stage>] = &[
    Scenario {
        name: "boot-to-desktop",
        run: desktop::boot,
    },
    Scenario {
        name: "terminal-from-launcher",
        run: desktop::terminal,
    },
    Scenario {
        name: "settings-are-changed-on-the-screen",
        run: desktop::settings,
    },
    Scenario {
        name: "windows-obey-pointer-and-keys",
        run: desktop::windows,
    },
    Scenario {
        name: "parts-of-the-shell-come-and-go",
        run: desktop::parts,
    },
    Scenario {
        name: "idle-desktop",
        run: desktop::idle,
    },
    Scenario {
        name: "keys-are-answered-at-once",
        run: desktop::quick,
    },
    Scenario {
        name: "agent-lists-folder-when-allowed",
        run: desktop::agent_allowed,
    },
    Scenario {
        name: "agent-reads-nothing-when-denied",
        run: desktop::agent_denied,
    },
    Scenario {
        name: "permissions-are-decided-ahead",
        run: desktop::decided_ahead,
    },
    Scenario {
        name: "agent-view-shows-and-steers-agents",
        run: desktop::agent_view,
    },
    Scenario {
        name: "tools-steer-windows-and-devices",
        run: tools::steer,
    },
    Scenario {
        name: "quick-settings-set-the-volume",
        run: tools::quick_settings,
    },
    Scenario {
        name: "tools-take-a-picture-when-allowed",
        run: tools::capture,
    },
    Scenario {
        name: "the-screen-is-recorded",
        run: record::record,
    },
    Scenario {
        name: "locked-screen-opens-by-password-only",
        run: lock::lock,
    },
    Scenario {
        name: "greeter-logs-in-by-password-only",
        run: greeter::greeter,
    },
    Scenario {
        name: "tools-switch-the-network-off",
        run: tools::network,
    },
    Scenario {
        name: "agent-process-is-confined",
        run: desktop::confined,
    },
    Scenario {
        name: "escape-by-an-agent-is-blocked",
        run: escape::agent,
    },
    Scenario {
        name: "agents-keep-within-their-workspace",
        run: escape::workspace,
    },
    Scenario {
        name: "killed-services-come-back",
        run: desktop::killed_services,
    },
    Scenario {
        name: "poweroff-is-clean",
        run: lifecycle::poweroff,
    },
    Scenario {
        name: "memory-survives-reboot",
        run: lifecycle::memory_survives,
    },
    Scenario {
        name: "broken-input-does-not-stop-the-boot",
        run: lifecycle::broken_input,
    },
];

/// Run with `--all` or by name: each boots machines of its own, most by firmware, which takes long.
const SLOW: &[Scenario<Stage>] = &[
    Scenario {
        name: "a-program-drives-a-second-display",
        run: lease::lease,
    },
    Scenario {
        name: "graphics-devices-come-and-go",
        run: cards::come_and_go,
    },
    Scenario {
        name: "escape-suite-is-blocked",
        run: escape::suite,
    },
    Scenario {
        name: "escape-from-the-broker-is-blocked",
        run: escape::broker,
    },
    Scenario {
        name: "iso-boots-from-usb-by-uefi",
        run: lifecycle::iso_usb_uefi,
    },
    Scenario {
        name: "iso-boots-from-cd-by-bios",
        run: lifecycle::iso_cd_bios,
    },
    Scenario {
        name: "disk-boots-by-uefi",
        run: lifecycle::disk_uefi,
    },
    Scenario {
        name: "disk-boots-by-bios",
        run: lifecycle::disk_bios,
    },
    Scenario {
        name: "tour-at-1280x800",
        run: |stage| tour::walk(stage, "1280x800", 1),
    },
    Scenario {
        name: "tour-at-1920x1080",
        run: |stage| tour::walk(stage, "1920x1080", 1),
    },
    Scenario {
        name: "tour-at-scale-2",
        run: |stage| tour::walk(stage, "2560x1600", 2),
    },
];

/// Run by name only: they need the image of the profile `programs`.
const PROGRAMS: &[Scenario<Stage>] = &[
    Scenario {
        name: "programs-terminals",
        run: programs::terminals,
    },
    Scenario {
        name: "programs-tools",
        run: programs::tools,
    },
    Scenario {
        name: "programs-toolkits",
        run: programs::toolkits,
    },
    Scenario {
        name: "programs-browsers",
        run: programs::browsers,
    },
    Scenario {
        name: "programs-office",
        run: programs::office,
    },
];

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("argos-e2e: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Those that the command line chooses.
fn chosen(cli: &Cli) -> anyhow::Result<Vec<Scenario<Stage>>> {
    let named = !cli.scenario.is_empty();
    let mut scenarios = SCENARIOS.to_vec();
    scenarios.extend(SLOW.iter().filter(|_| cli.all || named));
    scenarios.extend(PROGRAMS.iter().filter(|_| named));
    scenarios = scenario::matching(&scenarios, &cli.scenario);
    anyhow::ensure!(
        !scenarios.is_empty(),
        "no scenario's name contains `{}`; there are: {}",
        cli.scenario,
        SCENARIOS
            .iter()
            .chain(SLOW)
            .chain(PROGRAMS)
            .map(|s| s.name)
            .collect::<Vec<_>>()
            .join(", ")
    );
    Ok(scenarios)
}

fn run(cli: &Cli) -> anyhow::Result<bool> {
    let scenarios = chosen(cli)?;
    if cli.list {
        for scenario in scenarios {
            println!("{}", scenario.name);
        }
        return Ok(true);
    }
    let output = std::env::var_os("ARGOS_OUTPUT")
        .map(PathBuf::from)
        .context("ARGOS_OUTPUT is not set; start the tests by image-build/argos-image")?;
    let (mut passed, mut failed) = (0, 0);
    for round in 1..=cli.repeat {
        if cli.repeat > 1 {
            eprintln!("=== round {round} of {}", cli.repeat);
        }
        let mut stage = Stage::new(&output, cli.bars)?;
        let tally = scenario::run_all(&mut stage, &scenarios, Stage::keep_evidence);
        passed += tally.passed;
        failed += tally.failed;
    }
    println!("\n{passed} passed, {failed} failed");
    Ok(failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: &[&str]) -> anyhow::Result<Vec<&'static str>> {
        let cli = Cli::parse_from([&["argos-e2e"], words].concat());
        Ok(chosen(&cli)?.iter().map(|s| s.name).collect())
    }

    #[test]
    fn slow_ones_are_chosen_by_name_or_all_together() {
        let slow = "iso-boots-from-cd-by-bios";
        assert!(!names(&[]).unwrap().contains(&slow));
        let all = names(&["--all"]).unwrap();
        assert!(all.contains(&slow) && !all.iter().any(|name| name.starts_with("programs")));
        assert_eq!(
            names(&["--scenario", "programs"]).unwrap().len(),
            PROGRAMS.len()
        );
        let boots = names(&["--scenario", "boot"]).unwrap();
        assert!(boots.contains(&slow) && boots.contains(&"boot-to-desktop"));
        assert!(!boots.contains(&"idle-desktop"));
    }

    #[test]
    fn a_name_that_none_has_is_an_error_that_lists_them() {
        let error = names(&["--scenario", "isos"]).unwrap_err().to_string();
        assert!(
            error.contains("`isos`") && error.contains("iso-boots-from-cd-by-bios"),
            "{error}"
        );
    }
}
