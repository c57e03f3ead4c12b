//! The real broker, agents, tool worker and orchestrator, in real sandboxes, on a bus of their own.
//!
//! Only the model is a double: a fake `org.argos.AI1` at the edge of the bus that reads a request
//! `TOOL ARGUMENTS` as a plan, so that tests say exactly what an agent tries. Everything behind it
//! (fd 3, permissions, sandbox, tools, audit) is the real thing.
//!
//! A word as argument runs only the tests with it in their name.

#[macro_use]
mod harness;

mod bed;
mod broker;
mod capture;
#[allow(unsafe_code)]
#[path = "../../../sandbox/tests/it/chroot.rs"]
mod chroot;
mod conversation;
mod delegation;
mod escape;
mod grants;
mod hostile;
mod model;
mod providers;
mod record;

use std::process::ExitCode;
use std::time::Duration;

use crate::harness::{Suite, Test};

const SUITE: Suite = Suite {
    name: "broker",
    own: env!("CARGO_BIN_EXE_argos-broker"),
    programs: &[
        "argos-broker",
        "argos-agent",
        "argos-exec",
        "argos-tools",
        "argos-orchestrator",
        "argos-escape",
    ],
    build: "-p argos-agent-runtime -p argos-exec -p argos-tools -p argos-orchestrator \
            -p argos-escape",
    limit: |_| Duration::from_secs(300),
    tests: TESTS,
};

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
    hostile::a_workspace_is_bounded_in_sum,
    hostile::files_without_a_name_count_as_well,
    hostile::a_workspace_that_cannot_be_counted_ends_its_agent,
    escape::rude_calls_are_refused,
    escape::no_host_is_taken_for_another,
    escape::a_process_number_that_is_anothers_decides_nothing,
    capture::a_picture_is_asked_for_each_time_and_lands_in_the_workspace,
    providers::a_provider_on_the_bus_is_asked_for_and_kept_in_its_place,
    providers::a_page_is_fetched_from_the_host_that_was_granted_and_no_other,
    model::a_session_is_kept_and_opened_anew_with_what_is_left,
    model::an_agent_without_tokens_is_told_and_it_is_seen,
    conversation::a_request_in_the_chat_ends_in_an_answer,
    conversation::the_broker_is_killed_and_everything_comes_back,
    conversation::what_was_said_is_there_after_a_restart,
    conversation::the_world_is_shown_and_stands_still_when_it_is_told_to,
    delegation::an_agent_is_held_to_the_grants_of_who_asks_it,
    delegation::a_refusal_inside_a_granted_folder_holds_for_all_that_goes_through_it,
    delegation::nobody_speaks_as_an_agent_but_the_broker,
    delegation::each_has_a_worker_of_its_own_and_idle_ones_end,
    delegation::timers_outlive_a_kill_and_are_shown_and_told,
];

fn main() -> ExitCode {
    SUITE.main()
}
