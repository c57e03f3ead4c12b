//! MCP both ways through the real broker: servers in their real sandboxes, our tools for a client
//! outside, and the proxy. The server is a small one of our own ([`server`]); those of the MCP project
//! are met by `peers`, where `ARGOS_MCP_PEERS` names a folder to install them in.
//!
//! A word as argument runs only the tests with it in their name.

#[macro_use]
#[path = "../../../broker/tests/it/harness.rs"]
mod harness;

#[allow(dead_code)]
#[path = "../../../broker/tests/it/bed.rs"]
mod bed;
#[allow(unsafe_code)]
#[path = "../../../sandbox/tests/it/chroot.rs"]
mod chroot;
mod network;
mod outer;
mod peers;
mod server;
mod servers;

use std::process::ExitCode;
use std::time::Duration;

use crate::harness::{Suite, Test};

const SUITE: Suite = Suite {
    name: "mcp",
    own: env!("CARGO_BIN_EXE_argos-mcp"),
    programs: &["argos-mcp", "argos-broker", "argos-exec", "argos-tools"],
    build: "-p argos-broker -p argos-exec -p argos-tools",
    // The peers are installed first.
    limit: |name| Duration::from_secs(if name.contains("project") { 900 } else { 300 }),
    tests: TESTS,
};

const TESTS: &[(&str, Test)] = tests![
    servers::a_servers_tool_is_asked_for_run_and_recorded,
    servers::a_server_sees_its_folders_and_nothing_else,
    servers::what_a_servers_folders_take_is_bounded_in_sum,
    servers::a_server_that_falls_over_is_an_error_for_that_call_only,
    servers::a_server_that_does_not_come_up_says_why,
    servers::what_a_server_declares_is_cleaned_or_left_out,
    servers::results_are_bounded_and_failures_told,
    servers::a_call_that_takes_too_long_is_cancelled,
    servers::a_confirmation_is_asked_of_the_person,
    servers::a_server_that_wants_to_know_first_is_told_and_called_again,
    servers::what_a_server_cannot_have_is_refused_in_words,
    servers::a_tool_that_changed_loses_its_grants,
    servers::a_tool_that_changes_between_question_and_answer_is_not_run,
    servers::so_many_servers_run_and_no_more,
    servers::servers_are_added_and_removed,
    network::a_server_reaches_its_hosts_and_no_others,
    network::hosts_of_a_package_are_asked_about,
    network::a_server_over_http_is_reached_through_the_proxy,
    outer::a_client_outside_is_asked_for_like_an_agent,
    outer::a_client_that_leaves_takes_its_questions_along,
    outer::what_a_client_cancels_is_called_back,
    peers::the_servers_and_clients_of_the_mcp_project,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).take(2).collect();
    if let [verb, mode] = args.as_slice()
        && verb == "server"
    {
        server::run(mode);
        return ExitCode::SUCCESS;
    }
    if args.first().is_none_or(|verb| verb != "suite") {
        peers::prepare();
    }
    SUITE.main()
}
