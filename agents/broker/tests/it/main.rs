//! The real broker, agents, tool worker and orchestrator, in real sandboxes, on a bus of their own.
//!
//! Only the model is a double: a fake `org.argos.AI1` at the edge of the bus that reads a request
//! `TOOL ARGUMENTS` as a plan, so that tests say exactly what an agent tries. Everything behind it
//! (fd 3, permissions, sandbox, tools, audit) is the real thing.
//!
//! A word as argument runs only the tests with it in their name.

mod bed;
mod broker;
mod capture;
#[allow(unsafe_code)]
#[path = "../../../sandbox/tests/it/chroot.rs"]
mod chroot;
mod conversation;
mod delegation;
mod grants;
mod hostile;
mod providers;
mod record;

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

type Test = fn() -> Pin<Box<dyn Future<Output = ()>>>;

macro_rules! tests {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$((stringify!($name), || Box::pin($module::$name()))),*]
    };
}

const TESTS: &[(&str, Test)] = tests![
    broker::allowed_once_it_is_done_once_and_recorded,
    broker::denied_nothing_is_read_and_the_reason_arrives,
    broker::no_answer_is_a_no,
    broker::always_survives_a_restart_and_not_a_change,
    broker::never_is_kept_too,
    broker::a_session_grant_ends_with_the_broker,
    broker::a_person_calls_without_being_asked_and_is_recorded,
    broker::a_folder_grant_does_not_follow_links_out,
    broker::a_crashed_agent_comes_back,
    broker::a_killed_worker_is_replaced,
    broker::an_agent_dies_with_its_broker,
    broker::a_broken_manifest_says_where,
    broker::a_call_that_runs_is_recorded_as_it_ended_without_its_agent,
    broker::an_agent_that_goes_while_the_person_is_asked_has_done_nothing,
    broker::a_call_that_is_given_up_is_not_said_to_be_undone,
    grants::granted_by_hand_it_is_done_until_it_is_taken_back,
    grants::a_grant_ends_at_its_time,
    grants::a_refusal_outlives_a_change_of_the_agent,
    grants::what_cannot_be_granted_says_why,
    grants::a_program_in_a_sandbox_decides_nothing,
    grants::all_questions_of_an_agent_are_denied_at_once,
    record::the_log_is_one_chain_through_falls,
    record::what_was_cut_off_is_found,
    record::an_agent_cancels_a_call_of_its_own,
    record::the_person_cancels_a_question_and_a_call_that_runs,
    hostile::the_walls_hold_from_inside,
    hostile::damaged_messages_end_only_their_sender,
    hostile::an_endless_handshake_is_cut_off,
    hostile::a_flood_of_calls_is_slowed_and_prompts_are_merged,
    hostile::a_flood_of_plans_reaches_the_model_one_by_one,
    hostile::an_agent_that_never_reads_is_cut_off,
    hostile::an_agent_that_never_reads_is_stopped_at_once,
    hostile::calls_that_want_no_answer_are_counted_as_well,
    hostile::a_flood_of_calls_leaves_a_row_a_second,
    hostile::a_file_in_the_workspace_has_a_largest_size,
    capture::a_picture_is_asked_for_each_time_and_lands_in_the_workspace,
    providers::a_provider_on_the_bus_is_asked_for_and_kept_in_its_place,
    providers::a_page_is_fetched_from_the_host_that_was_granted_and_no_other,
    conversation::a_request_in_the_chat_ends_in_an_answer,
    conversation::the_broker_is_killed_and_everything_comes_back,
    conversation::what_was_said_is_there_after_a_restart,
    delegation::an_agent_is_held_to_the_grants_of_who_asks_it,
    delegation::a_refusal_inside_a_granted_folder_holds_for_all_that_goes_through_it,
    delegation::nobody_speaks_as_an_agent_but_the_broker,
    delegation::each_has_a_worker_of_its_own_and_idle_ones_end,
    delegation::timers_outlive_a_kill_and_are_shown_and_told,
];

/// An ordinary user whom every tree knows (`nobody`): dbus-daemon looks its own user up.
const PERSON: u32 = 65534;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let ["suite", programs, filter @ ..] = args
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        return suite(Path::new(programs), filter);
    }
    if args.iter().any(|a| a == "--list") {
        return ExitCode::SUCCESS;
    }
    let folder = std::env::temp_dir().join(format!("argos-broker-it-{}", std::process::id()));
    let test = match publish(&folder) {
        Ok(test) => test,
        Err(e) => {
            eprintln!("{e}");
            return ExitCode::FAILURE;
        }
    };
    // After the copies: a program's own path is not the same any more out there.
    if let Err(e) = chroot::leave() {
        eprintln!("cannot leave the chroot this runs in: {e}");
        return ExitCode::FAILURE;
    }
    let mut command = Command::new(test);
    command
        .arg("suite")
        .arg(&folder)
        .args(args.iter().filter(|a| !a.starts_with('-')));
    if rustix::process::getuid().is_root() {
        command.uid(PERSON).gid(PERSON);
    }
    let good = command.status().is_ok_and(|s| s.success());
    // Only copies; what stays is removed with the rest of the temporary folder.
    let _ = std::fs::remove_dir_all(&folder);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Copies the programs to where every user can run them.
fn publish(folder: &Path) -> Result<PathBuf, String> {
    let broker = Path::new(env!("CARGO_BIN_EXE_argos-broker"));
    let built = broker.parent().unwrap_or(Path::new("."));
    std::fs::create_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755))
        .map_err(|e| e.to_string())?;
    let test = std::env::current_exe().map_err(|e| e.to_string())?;
    let programs = [
        "argos-broker",
        "argos-agent",
        "argos-exec",
        "argos-tools",
        "argos-orchestrator",
    ];
    let mut sources: Vec<(PathBuf, PathBuf)> = programs
        .iter()
        .map(|p| (built.join(p), folder.join(p)))
        .collect();
    sources.push((test, folder.join("it")));
    for (from, to) in sources {
        std::fs::copy(&from, &to).map_err(|e| {
            format!(
                "{}: {e}\nthese tests drive the real programs; build them first: cargo build \
                 -p argos-agent-runtime -p argos-exec -p argos-tools -p argos-orchestrator \
                 with the same profile",
                from.display()
            )
        })?;
    }
    Ok(folder.join("it"))
}

fn suite(programs: &Path, filter: &[&str]) -> ExitCode {
    bed::PROGRAMS
        .set(programs.to_owned())
        .expect("the suite begins once");
    let wanted: Vec<_> = TESTS
        .iter()
        .filter(|(name, _)| filter.is_empty() || filter.iter().any(|word| name.contains(word)))
        .collect();
    let mut failed = 0;
    for (name, test) in &wanted {
        let started = Instant::now();
        println!("test {name} ...");
        let outcome = std::panic::catch_unwind(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime")
                .block_on(async { tokio::time::timeout(Duration::from_secs(120), test()).await })
        });
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(Ok(())) => println!("test {name} ... ok ({seconds:.1} s)"),
            Ok(Err(_)) => {
                failed += 1;
                println!("test {name} ... FAILED: no end after {seconds:.0} s");
            }
            Err(_) => {
                failed += 1;
                println!("test {name} ... FAILED ({seconds:.1} s)");
            }
        }
    }
    println!("{} passed, {failed} failed", wanted.len() - failed);
    if failed == 0 && !wanted.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
