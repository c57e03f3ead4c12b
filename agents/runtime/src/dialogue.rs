//! The conversation: from a message to an answer.
//!
//! ```text
//! message -> (an answer to our question? yes: do what was asked about | no: let it be)
//!         -> plan by the model -> calls, one after the other -> words
//!                              -> a question back: remembered for the next message
//! ```
//!
//! What to do is the model's decision. The only words that are read here are a bare yes or no after
//! a question that this agent asked itself.

use std::collections::HashMap;

use argos_bus::ai::{Plan, ProposedCall};
use argos_bus::{Error, Result};
use serde_json::Value;

use crate::wording;

/// Most calls made for one message: a plan is the model's, and so not trusted to be short.
const MAX_CALLS: usize = 6;
/// Most of our questions that are open.
const MAX_OPEN: usize = 16;

/// What the agent can do; the broker, or a test.
pub(crate) trait Means {
    /// Has the model make a plan.
    async fn plan(&self, request: &str) -> Result<Plan>;
    /// Calls a tool.
    async fn call(&self, tool: &str, arguments: &Value) -> Result<Value>;
    /// Says what the agent is at.
    async fn at(&self, doing: Doing<'_>);
}

/// What the agent is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Doing<'a> {
    Nothing,
    Thinking(&'a str),
    Acting(&'a str),
}

/// What a question of ours was about.
#[derive(Debug)]
struct Open {
    /// The request that led to it.
    request: String,
    /// What a yes would do; empty if the question was for something that was missing.
    calls: Vec<ProposedCall>,
    /// What we proposed, in words, where the question was whether it was meant.
    proposal: Option<String>,
}

/// One conversation.
#[derive(Debug)]
pub(crate) struct Dialogue {
    tools: Vec<(String, String)>,
    /// Questions of ours, by whom they were put to: nobody answers another's.
    open: HashMap<String, Open>,
}

impl Dialogue {
    /// `me` is what the broker says of this agent.
    pub(crate) fn new(me: &Value) -> Self {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let tools = me["tools"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|t| (text(&t["name"]), text(&t["description"])))
            .collect();
        Self {
            tools,
            open: HashMap::new(),
        }
    }

    /// Answers one message in CommonMark.
    /// An empty answer says nothing.
    pub(crate) async fn answer(&mut self, means: &impl Means, from: &str, text: &str) -> String {
        if from == "timer" {
            // The person has it on screen already; the text is no request.
            return String::new();
        }
        means.at(Doing::Thinking(text)).await;
        if let Some(open) = self.open.remove(from) {
            match yes_or_no(text) {
                Some(false) => return "All right, I leave it.".to_owned(),
                Some(true) if !open.calls.is_empty() => return self.act(means, &open.calls).await,
                Some(true) => {
                    // "Did you mean to list ~/Documents?" - "Yes": then that is the request.
                    if let Some(proposal) = &open.proposal
                        && let Some(calls) = sure(means, proposal).await
                    {
                        return self.act(means, &calls).await;
                    }
                    self.ask(from, open);
                    return "Then please say it once more, with all that belongs to it: I could not \
                            make it out."
                        .to_owned();
                }
                // The answer may be the part that was missing.
                None if open.calls.is_empty() && open.proposal.is_none() => {
                    let whole = format!("{} {text}", open.request);
                    if let Some(calls) = sure(means, &whole).await {
                        return self.act(means, &calls).await;
                    }
                }
                None => {}
            }
        }
        match means.plan(text).await {
            Ok(plan) => self.follow(means, from, text, plan).await,
            Err(e) => wording::no_plan(&e),
        }
    }

    async fn follow(
        &mut self,
        means: &impl Means,
        from: &str,
        request: &str,
        plan: Plan,
    ) -> String {
        if let Some(question) = plan.question.filter(|q| !q.trim().is_empty()) {
            let open = Open {
                request: request.to_owned(),
                calls: plan.calls,
                proposal: proposal(&question),
            };
            self.ask(from, open);
            return question;
        }
        if !plan.calls.is_empty() {
            return self.act(means, &plan.calls).await;
        }
        match plan.reply.filter(|r| !r.trim().is_empty()) {
            Some(reply) => reply,
            None => wording::nothing_fits(&self.tools),
        }
    }

    /// Keeps a question until it is answered.
    fn ask(&mut self, from: &str, open: Open) {
        if self.open.len() >= MAX_OPEN {
            // The person's own is not pushed out by other agents.
            self.open.retain(|who, _| who == "person");
        }
        self.open.insert(from.to_owned(), open);
    }

    async fn act(&mut self, means: &impl Means, calls: &[ProposedCall]) -> String {
        let mut parts = Vec::new();
        for call in calls.iter().take(MAX_CALLS) {
            means.at(Doing::Acting(&call.tool)).await;
            let outcome = means.call(&call.tool, &call.arguments).await;
            let refused = matches!(outcome, Err(Error::Denied(_) | Error::NoAnswer(_)));
            parts.push(wording::outcome(&call.tool, &call.arguments, &outcome));
            if refused && parts.len() < calls.len() {
                // What follows may depend on what was refused.
                parts.push("So I stopped there.".to_owned());
                break;
            }
        }
        parts.join("\n\n")
    }
}

/// The calls of a plan that asks nothing back.
async fn sure(means: &impl Means, request: &str) -> Option<Vec<ProposedCall>> {
    means
        .plan(request)
        .await
        .ok()
        .filter(|plan| plan.question.is_none() && !plan.calls.is_empty())
        .map(|plan| plan.calls)
}

/// What "Did you mean to …?" proposes.
fn proposal(question: &str) -> Option<String> {
    let proposal = question
        .strip_prefix("Did you mean to ")?
        .trim_end_matches('?')
        .trim();
    (!proposal.is_empty()).then(|| proposal.to_owned())
}

/// Whether a short answer is a yes or a no.
fn yes_or_no(text: &str) -> Option<bool> {
    let plain: String = text
        .chars()
        .filter(|c| c.is_alphanumeric() || c.is_whitespace())
        .collect::<String>()
        .to_lowercase();
    let words: Vec<&str> = plain.split_whitespace().collect();
    match words[..] {
        [
            "yes" | "y" | "yeah" | "yep" | "ok" | "okay" | "sure" | "exactly" | "correct" | "right",
        ]
        | ["yes", "please"]
        | ["please", "do"]
        | ["do", "it"]
        | ["go", "ahead"]
        | ["thats", "right"] => Some(true),
        ["no" | "n" | "nope" | "cancel" | "stop"] | ["no", "thanks"] | ["never", "mind"] => {
            Some(false)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::cell::RefCell;

    /// A broker that plans by a table and records calls.
    struct Table {
        plans: Vec<(&'static str, Plan)>,
        called: RefCell<Vec<String>>,
    }

    impl Means for Table {
        async fn plan(&self, request: &str) -> Result<Plan> {
            self.plans
                .iter()
                .find(|(r, _)| *r == request)
                .map(|(_, p)| p.clone())
                .ok_or_else(|| Error::Unavailable("the model is loading".to_owned()))
        }

        async fn call(&self, tool: &str, arguments: &Value) -> Result<Value> {
            self.called.borrow_mut().push(format!("{tool} {arguments}"));
            if arguments["path"] == "/secret" {
                return Err(Error::Denied(
                    "the person refused to read /secret this time".into(),
                ));
            }
            Ok(json!({"ok": true}))
        }

        async fn at(&self, _doing: Doing<'_>) {}
    }

    fn list(path: &str) -> ProposedCall {
        ProposedCall {
            tool: "files.list".into(),
            arguments: json!({"path": path}),
            confidence: 0.9,
        }
    }

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap()
            .block_on(future)
    }

    #[test]
    fn a_yes_does_what_the_question_was_about_and_only_once() {
        let asked = Plan {
            calls: vec![list("/a")],
            question: Some("Did you mean to list /a?".into()),
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("lst a", asked)],
            called: RefCell::default(),
        };
        let mut dialogue = Dialogue::new(&json!({}));
        assert_eq!(
            run(dialogue.answer(&means, "person", "lst a")),
            "Did you mean to list /a?"
        );
        assert!(means.called.borrow().is_empty());
        run(dialogue.answer(&means, "person", "Yes, please!"));
        assert_eq!(means.called.borrow().len(), 1);
        run(dialogue.answer(&means, "person", "yes"));
        assert_eq!(
            means.called.borrow().len(),
            1,
            "a second yes answers nothing"
        );
    }

    #[test]
    fn nobody_answers_what_another_was_asked() {
        let asked = Plan {
            calls: vec![list("/a")],
            question: Some("List /a?".into()),
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("lst a", asked)],
            called: RefCell::default(),
        };
        let mut dialogue = Dialogue::new(&json!({}));
        run(dialogue.answer(&means, "person", "lst a"));
        run(dialogue.answer(&means, "agent:scout", "yes"));
        assert_eq!(run(dialogue.answer(&means, "timer", "yes")), "");
        assert!(means.called.borrow().is_empty());
        run(dialogue.answer(&means, "person", "yes"));
        assert_eq!(means.called.borrow().len(), 1);
    }

    #[test]
    fn a_yes_to_a_proposal_goes_through_the_model() {
        let asked = Plan {
            question: Some("Did you mean to list ~/Documents?".into()),
            ..Plan::default()
        };
        let meant = Plan {
            calls: vec![list("~/Documents")],
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("docs?", asked), ("list ~/Documents", meant)],
            called: RefCell::default(),
        };
        let mut dialogue = Dialogue::new(&json!({}));
        run(dialogue.answer(&means, "person", "docs?"));
        run(dialogue.answer(&means, "person", "yes"));
        assert_eq!(
            means.called.borrow()[0],
            r#"files.list {"path":"~/Documents"}"#
        );
    }

    #[test]
    fn a_no_leaves_it() {
        let asked = Plan {
            calls: vec![list("/a")],
            question: Some("List /a?".into()),
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("lst a", asked)],
            called: RefCell::default(),
        };
        let mut dialogue = Dialogue::new(&json!({}));
        run(dialogue.answer(&means, "person", "lst a"));
        run(dialogue.answer(&means, "person", "no"));
        assert!(means.called.borrow().is_empty());
    }

    #[test]
    fn the_missing_part_completes_the_request() {
        let asked = Plan {
            question: Some("Which folder?".into()),
            ..Plan::default()
        };
        let whole = Plan {
            calls: vec![list("/a")],
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("list a folder", asked), ("list a folder /a", whole)],
            called: RefCell::default(),
        };
        let mut dialogue = Dialogue::new(&json!({}));
        run(dialogue.answer(&means, "person", "list a folder"));
        run(dialogue.answer(&means, "person", "/a"));
        assert_eq!(means.called.borrow()[0], r#"files.list {"path":"/a"}"#);
    }

    #[test]
    fn a_refusal_ends_the_plan() {
        let plan = Plan {
            calls: vec![list("/secret"), list("/a")],
            ..Plan::default()
        };
        let means = Table {
            plans: vec![("both", plan)],
            called: RefCell::default(),
        };
        let answer = run(Dialogue::new(&json!({})).answer(&means, "person", "both"));
        assert_eq!(means.called.borrow().len(), 1);
        assert!(
            answer.contains("/secret") && answer.contains("stopped"),
            "{answer}"
        );
    }

    #[test]
    fn a_missing_model_is_said_plainly() {
        let means = Table {
            plans: Vec::new(),
            called: RefCell::default(),
        };
        let answer = run(Dialogue::new(&json!({})).answer(&means, "person", "hello"));
        assert!(answer.contains("the model is loading"), "{answer}");
    }
}
