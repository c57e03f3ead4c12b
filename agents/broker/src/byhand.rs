//! What the person grants without being asked, and asks about grants.

use std::path::Path;
use std::sync::Arc;

use argos_bus::permissions::Explanation;
use argos_bus::{Error, Result};
use serde_json::json;

use crate::core::Broker;
use crate::grants::Word;
use crate::lifecycle;
use crate::manifest::{self, Agent};
use crate::permission::{By, Decision, Fallback, Need, Scope, Subject, Verdict, normal};
use crate::record;
use crate::session::lock;

/// A grant as it comes from the bus.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) agent: String,
    pub(crate) action: String,
    pub(crate) resource: String,
    pub(crate) verdict: String,
    pub(crate) scope: String,
    pub(crate) expires_ms: u64,
}

/// Remembers a grant or refusal. Returns its number.
///
/// # Errors
/// `NotFound`, `InvalidArguments`; `Failed` if it cannot be kept or recorded.
pub(crate) async fn grant(broker: &Arc<Broker>, wish: Wish) -> Result<u64> {
    let verdict = match wish.verdict.as_str() {
        "allow" => Verdict::Allow,
        "deny" => Verdict::Deny,
        other => return Err(no_such("verdict", other, "allow or deny")),
    };
    let scope = match wish.scope.as_str() {
        "session" => Scope::Session,
        "always" => Scope::Always,
        other => return Err(no_such("scope", other, "session or always")),
    };
    let now = broker.clock.now_ms();
    let expires_ms = Some(wish.expires_ms).filter(|at| *at > 0);
    if expires_ms.is_some_and(|at| at <= now) {
        return Err(Error::InvalidArguments(
            "its time is over already; the time is in milliseconds since 1970".to_owned(),
        ));
    }
    let agent = find(broker, &wish.agent).await?;
    let subject = subject(&agent);
    let need = place(wish.action, wish.resource).await?;
    let arguments = json!({
        "agent": subject.agent,
        "verdict": verdict.as_str(),
        "scope": scope.as_str(),
        "expires_ms": expires_ms,
    });
    // First the record: a grant that nobody can see the beginning of is worse than a row too many.
    record::record_own(broker, "permissions.grant", arguments, need.clone()).await?;
    let word = Word {
        subject: &subject,
        need: &need,
        verdict,
        scope,
        expires_ms,
    };
    let added = lock(&broker.permissions).grants.add(word, now);
    let id = added.map_err(|e| Error::Failed(format!("it could not be kept: {e}")))?;
    broker.grants_changed();
    Ok(id)
}

/// Takes a grant or refusal back.
///
/// # Errors
/// `NotFound`; `Failed` if that cannot be kept or recorded.
pub(crate) async fn revoke(broker: &Arc<Broker>, id: u64) -> Result<()> {
    let missing = || {
        Error::NotFound(format!(
            "there is no grant {id}; `argos perm list` shows those there are"
        ))
    };
    let grant = {
        let permissions = lock(&broker.permissions);
        let found = permissions.grants.all().iter().find(|g| g.id == id);
        found.cloned().ok_or_else(missing)?
    };
    let arguments = json!({
        "agent": grant.agent,
        "grant": id,
        "verdict": grant.verdict.as_str(),
    });
    let need = Need {
        action: grant.action,
        resource: grant.resource,
    };
    record::record_own(broker, "permissions.revoke", arguments, need).await?;
    match lock(&broker.permissions).grants.revoke(id) {
        Ok(true) => broker.grants_changed(),
        Ok(false) => return Err(missing()),
        Err(e) => return Err(Error::Failed(format!("the grant still stands: {e}"))),
    }
    Ok(())
}

/// What would happen, and on whose word.
///
/// # Errors
/// `NotFound`, `InvalidArguments`.
pub(crate) async fn explain(
    broker: &Arc<Broker>,
    agent: &str,
    action: String,
    resource: String,
) -> Result<Explanation> {
    let agent = find(broker, agent).await?;
    let subject = subject(&agent);
    let need = place(action, resource).await?;
    let now = broker.clock.now_ms();
    let permissions = lock(&broker.permissions);
    let decide = |fallback| permissions.grants.decide(&subject, &need, fallback, now);
    let tools: Vec<(String, String)> = broker
        .catalogue
        .iter()
        .map(argos_tools::Tool::to_bus)
        .filter(|t| t.action == need.action && agent.manifest.may_call(&t.name))
        .map(|tool| {
            let fallback = match tool.default.as_str() {
                "allow" => Fallback::Allow,
                "confirm" => Fallback::Confirm,
                _ => Fallback::Ask,
            };
            let outcome = match decide(fallback) {
                Decision::Allow(_) => "allow",
                Decision::Deny(_) => "deny",
                Decision::Ask { grantable: true } => "ask",
                Decision::Ask { grantable: false } => "confirm",
            };
            (tool.name, outcome.to_owned())
        })
        .collect();
    let said = |by: &By, what: &str| match by {
        By::Grant { id, resource } => {
            let at = permissions.grants.all().iter().find(|g| g.id == *id);
            let ends = match at.and_then(|g| g.expires_ms) {
                Some(at) => format!(", until {}", timestamp(at)),
                None => String::new(),
            };
            let beneath = if *resource == need.resource {
                String::new()
            } else {
                format!(" by {resource}, which covers it")
            };
            (*id, format!("{what} by grant {id}{beneath}{ends}"))
        }
        By::Tool | By::Malformed => (0, what.to_owned()),
    };
    let (verdict, (grant, reason)) = match decide(Fallback::Ask) {
        Decision::Allow(by) => ("allow", said(&by, "allowed")),
        Decision::Deny(by) => ("deny", said(&by, "refused")),
        Decision::Ask { .. } => (
            "nothing",
            (
                0,
                "nothing was said about it: each tool does what it does with no grant".to_owned(),
            ),
        ),
    };
    let reason = if tools.is_empty() {
        format!("{reason}; but {} has no tool that does this", subject.agent)
    } else {
        reason
    };
    Ok(Explanation {
        agent: subject.agent.clone(),
        agent_hash: subject.hash.clone(),
        action: need.action.clone(),
        resource: need.resource.clone(),
        verdict: verdict.to_owned(),
        grant,
        reason,
        tools,
    })
}

fn timestamp(ms: u64) -> String {
    i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(|| format!("{ms} ms"), |at| format!("{at:.0}"))
}

fn no_such(what: &str, word: &str, there: &str) -> Error {
    Error::InvalidArguments(format!(
        "`{}` is no {what}; use {there}",
        word.escape_debug()
    ))
}

fn subject(agent: &Agent) -> Subject {
    Subject {
        agent: agent.manifest.name.clone(),
        hash: agent.hash.clone(),
    }
}

/// The agent of that name as its folder is now.
async fn find(broker: &Broker, name: &str) -> Result<Agent> {
    let settings = &broker.settings;
    let own = settings.home.join(".local/share/argos/agents");
    let folder = [settings.shipped.as_path(), Path::new(&own)]
        .into_iter()
        .filter(|_| manifest::name_is_valid(name))
        .map(|folders| folders.join(name))
        .find(|folder| folder.is_dir())
        .ok_or_else(|| {
            Error::NotFound(format!(
                "there is no agent `{}`; `argos agents` shows those there are",
                name.escape_debug()
            ))
        })?;
    lifecycle::load(folder).await
}

/// What is meant, as it will be enforced: tools follow links before they ask.
async fn place(action: String, resource: String) -> Result<Need> {
    let resource = normal(&action, &resource).map_err(Error::InvalidArguments)?;
    if !resource.starts_with('/') {
        return Ok(Need { action, resource });
    }
    let followed = tokio::task::spawn_blocking({
        let resource = resource.clone();
        move || std::fs::canonicalize(resource)
    });
    let resource = match followed.await {
        Ok(Ok(place)) => place.into_os_string().into_string().map_err(|_| {
            Error::InvalidArguments(format!("{resource} leads to a name that is no text"))
        })?,
        // What is not there yet may come.
        _ => resource,
    };
    Ok(Need { action, resource })
}
