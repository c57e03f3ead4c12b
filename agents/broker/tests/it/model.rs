//! What agents have language models write: the session with the AI service, its budget, its end.

use argos_bus::Error;
use argos_bus::agents::{Agents1Proxy, Tokens};
use serde_json::{Value, json};

use crate::bed::{Bed, PROMPT_TOKENS, eventually};
use crate::hostile::{manifest, message, sender};

/// Tokens of a day where a manifest does not say.
const DAY: u64 = 1_000_000;

fn wish(text: &str, tokens: u64) -> String {
    let messages = [json!({"role": "user", "content": text})];
    json!({"messages": messages, "max_tokens": tokens}).to_string()
}

pub(crate) async fn a_session_is_kept_and_opened_anew_with_what_is_left() {
    let bed = Bed::new(20.0).await;
    let budgets = || -> Vec<u64> {
        let sessions = bed.model.sessions();
        let all = sessions.iter();
        all.map(|s| s["budget_tokens"].as_u64().unwrap()).collect()
    };
    let (connection, link) = bed.client().await;
    for text in ["one", "two"] {
        let answer: Value =
            serde_json::from_str(&link.generate(&wish(text, 5)).await.unwrap()).unwrap();
        assert_eq!(answer["model"], "loaded", "the one that is in memory");
        let said = &answer["choices"][0]["message"]["content"];
        assert_eq!(said, &format!("echo: {text}"));
    }
    assert_eq!(budgets(), [DAY], "one session for both");
    assert_eq!(bed.model.sessions()[0]["name"], "mcp-client:tester");
    // Nobody waits for it.
    assert_eq!(bed.model.asked()[0].0, "background");
    for (wrong, part) in [("[]", "JSON"), (r#"{"stream": true}"#, "stream")] {
        match link.generate(wrong).await {
            Err(Error::InvalidArguments(what)) => assert!(what.contains(part), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    bed.model.end_sessions().await;
    link.generate(&wish("three", 5)).await.unwrap();
    let mut left = DAY - 2 * (PROMPT_TOKENS + 5);
    assert_eq!(budgets(), [DAY, left]);
    left -= PROMPT_TOKENS + 5;

    // One at a time. What nobody waited for costs as much as it can have.
    let long = wish("wait", 7);
    let others = async {
        eventually("it is asked", async || {
            (bed.model.asked().len() == 4).then_some(())
        })
        .await;
        match link.generate(&wish("four", 5)).await {
            Err(Error::LimitReached(what)) => {
                assert!(what.contains("wait for the other"), "{what}");
            }
            other => panic!("{other:?}"),
        }
    };
    tokio::select! {
        answer = link.generate(&long) => panic!("{answer:?}"),
        () = others => {}
    }
    connection.close().await.unwrap();
    left -= long.len() as u64 + 7;
    // A new connection is no richer for it, once the broker knows that the old one is gone.
    let mut tries = 0;
    let (_connection, link) = eventually("it was paid", async || {
        let (connection, link) = bed.client().await;
        link.generate(&wish("five", 5)).await.unwrap();
        let expected = left - tries * (PROMPT_TOKENS + 5);
        tries += 1;
        (budgets().last() == Some(&expected)).then_some((connection, link))
    })
    .await;
    let sessions = budgets().len();
    link.generate(&wish("six", 5)).await.unwrap();
    assert_eq!(budgets().len(), sessions);
}

pub(crate) async fn an_agent_without_tokens_is_told_and_it_is_seen() {
    let bed = Bed::new(20.0).await;
    let ask = message("Generate", true, &wish("hello", 30));
    let then =
        "cat <&3 >/workspace/answers &\nwhile :; do cat /agent/messages >&3; sleep 0.5; done";
    let folder = sender(&bed, "frugal", &ask, then);
    let yaml = format!("{}limits: {{tokens: 50}}\n", manifest("frugal"));
    std::fs::write(format!("{folder}/agent.yaml"), yaml).unwrap();
    let broker = bed.broker1().await;
    broker.start_agent(&folder).await.unwrap();
    // 40 tokens for the first, a prompt of 10 for the second: the third is refused.
    let row = eventually("its limit is recorded", async || {
        let mut rows = bed.audit().into_iter();
        rows.find(|row| row["error"].as_str().is_some_and(|e| e.contains("used up")))
    })
    .await;
    assert_eq!(
        (&row["agent"], &row["tool"], &row["outcome"]),
        (
            &"frugal".into(),
            &"model.generate".into(),
            &"limited".into()
        )
    );
    let error = row["error"].as_str().unwrap();
    assert!(
        error.contains("50 a day") && error.contains("limits: tokens"),
        "{error}"
    );
    eventually("it is told", async || {
        let answers = bed.state().join("agents/frugal/workspace/answers");
        let answers = String::from_utf8_lossy(&std::fs::read(answers).ok()?).into_owned();
        assert!(answers.contains("echo: hello"), "{answers}");
        answers
            .contains("org.argos.Error.LimitReached")
            .then_some(())
    })
    .await;
    assert_eq!(bed.model.asked().len(), 2);
    let (_orchestrator, agents) = crate::conversation::orchestrator(&bed).await;
    let tokens = async |agents: &Agents1Proxy<'_>| agents.inspect("frugal").await.unwrap().tokens;
    let all = Tokens {
        used: 50,
        limit: 50,
    };
    assert_eq!(tokens(&agents).await, [all]);

    // It is no richer after a restart; nothing is even asked.
    let rows = bed.audit().len();
    broker.stop_agent("frugal").await.unwrap();
    assert_eq!(tokens(&agents).await, []);
    broker.start_agent(&folder).await.unwrap();
    eventually("it is refused again", async || {
        (bed.audit().len() > rows + 1).then_some(())
    })
    .await;
    assert_eq!(
        (bed.model.asked().len(), bed.model.sessions().len()),
        (2, 1)
    );
    assert!(matches!(
        broker.tokens("nobody").await,
        Err(Error::NotFound(_))
    ));
}
