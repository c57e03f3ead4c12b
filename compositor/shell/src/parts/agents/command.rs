//! The command bar: one line in words.

use argos_bus::agents::{FASTEST, SLOWEST};

use crate::{l10n, tr};

/// What the orchestrator is to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Order {
    /// Start this agent.
    Start(String),
    /// Stop this agent.
    Stop(String),
    /// Stop every agent, and the loops.
    StopAll,
    /// The loops stand still, or run.
    Pause(bool),
    /// Each loop runs once.
    Step,
    /// So many times as fast as usual.
    Speed(f64),
}

/// A line that was understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Line {
    /// For the orchestrator.
    Order(Order),
    /// For an agent.
    Say {
        /// Which.
        agent: String,
        /// What.
        text: String,
    },
    /// Choose this agent or room.
    Find(String),
    /// Back to the present.
    Live,
    /// Everything into sight.
    Fit,
}

/// Every command as it is written, for help. The commands themselves are the same in every language.
pub fn help() -> String {
    tr!("command-help")
}

/// Understands a line. `agents` are those there are, `chosen` the one that is meant where none is named.
///
/// # Errors
/// What is wrong with it, for people.
pub fn parse(line: &str, agents: &[&str], chosen: Option<&str>) -> Result<Line, String> {
    let line = line.trim();
    let (verb, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    let named = |name: &str| -> Result<String, String> {
        let name = match (name, chosen) {
            ("", Some(chosen)) => chosen,
            ("", None) => return Err(tr!("command-whom", verb = verb)),
            (name, _) => name,
        };
        match agents.iter().find(|known| known.eq_ignore_ascii_case(name)) {
            Some(known) => Ok((*known).to_owned()),
            None => Err(tr!("command-no-agent", name = name)),
        }
    };
    let alone = |line: Line| match rest {
        "" => Ok(line),
        _ => Err(tr!("command-alone", verb = verb)),
    };
    match verb.to_ascii_lowercase().as_str() {
        "pause" => alone(Line::Order(Order::Pause(true))),
        "resume" => alone(Line::Order(Order::Pause(false))),
        "step" => alone(Line::Order(Order::Step)),
        "live" => alone(Line::Live),
        "fit" => alone(Line::Fit),
        "speed" => match rest.trim_start_matches(['x', '×']).parse::<f64>() {
            Ok(speed) if (SLOWEST..=FASTEST).contains(&speed) => {
                Ok(Line::Order(Order::Speed(speed)))
            }
            _ => Err(tr!(
                "command-speed",
                slowest = l10n::number(SLOWEST),
                fastest = l10n::number(FASTEST)
            )),
        },
        "start" => Ok(Line::Order(Order::Start(named(rest)?))),
        "stop" if rest.eq_ignore_ascii_case("all") => Ok(Line::Order(Order::StopAll)),
        "stop" => Ok(Line::Order(Order::Stop(named(rest)?))),
        "find" if rest.is_empty() => Err(tr!("command-find")),
        "find" => Ok(Line::Find(rest.to_owned())),
        "say" => {
            let (first, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let (agent, text) = match named(first) {
                Ok(agent) if !first.is_empty() => (agent, more.trim()),
                _ if chosen.is_some() => (named("")?, rest),
                other => (other?, ""),
            };
            match text {
                "" => Err(tr!("command-say", agent = agent)),
                text => Ok(Line::Say {
                    agent,
                    text: text.to_owned(),
                }),
            }
        }
        _ => Err(tr!("command-unknown", verb = verb, help = help())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENTS: [&str; 2] = ["steward", "clerk"];

    fn line(text: &str) -> Result<Line, String> {
        parse(text, &AGENTS, Some("clerk"))
    }

    fn said(agent: &str, text: &str) -> Result<Line, String> {
        Ok(Line::Say {
            agent: agent.into(),
            text: text.into(),
        })
    }

    #[test]
    fn every_command_of_the_help_is_understood() {
        let order = |order| Ok(Line::Order(order));
        for (text, means) in [
            ("say steward good morning", said("steward", "good morning")),
            ("say good morning", said("clerk", "good morning")),
            ("find Steward", Ok(Line::Find("Steward".into()))),
            ("start steward", order(Order::Start("steward".into()))),
            (" Stop  STEWARD ", order(Order::Stop("steward".into()))),
            ("stop", order(Order::Stop("clerk".into()))),
            ("stop all", order(Order::StopAll)),
            ("pause", order(Order::Pause(true))),
            ("resume", order(Order::Pause(false))),
            ("step", order(Order::Step)),
            ("speed 2.5", order(Order::Speed(2.5))),
            ("speed ×4", order(Order::Speed(4.0))),
            ("live", Ok(Line::Live)),
            ("fit", Ok(Line::Fit)),
        ] {
            assert_eq!(line(text), means, "{text}");
            let verb = text.trim().split(' ').next().unwrap_or_default();
            assert!(
                help().contains(&verb.to_lowercase()),
                "{verb} is not in the help"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, about) in [
            ("explode", "say AGENT TEXT"),
            ("start nobody", "no agent `nobody`"),
            ("speed fast", "0.1 to 20"),
            ("speed NaN", "0.1 to 20"),
            ("speed 21", "0.1 to 20"),
            ("pause now", "stands alone"),
            ("say", "what?"),
            ("say steward", "what?"),
            ("find", "what?"),
        ] {
            let wrong = line(text).expect_err(text);
            assert!(wrong.contains(about), "{text}: {wrong}");
        }
        let nobody = parse("stop", &AGENTS, None).expect_err("nobody is chosen");
        assert!(nobody.contains("whom?"), "{nobody}");
        assert!(parse("say hello there", &AGENTS, None).is_err());
        // It takes two words to stop everything.
        assert!(parse("stopall", &AGENTS, None).is_err());
    }
}
