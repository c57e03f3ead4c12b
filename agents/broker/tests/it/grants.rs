//! Grants by hand: given, explained, ended, and by whom.

use std::time::{SystemTime, UNIX_EPOCH};

use argos_bus::Error;
use argos_bus::permissions::Permissions1Proxy;
use futures_util::StreamExt;
use tokio::process::Command;

use crate::bed::{Bed, eventually, list};

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}

async fn allow(permissions: &Permissions1Proxy<'_>, resource: &str, expires: u64) -> u64 {
    permissions
        .grant("steward", "read", resource, "allow", "always", expires)
        .await
        .unwrap()
}

pub(crate) async fn granted_by_hand_it_is_done_until_it_is_taken_back() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let permissions = bed.permissions1().await;
    let mut changed = permissions.receive_grants_changed().await.unwrap();
    let documents = bed.home().join("Documents");
    let letters = documents.join("letters").display().to_string();
    let explain = async |resource: &str| {
        let said = permissions
            .explain("steward", "read", resource)
            .await
            .unwrap();
        let tool = said.tools.iter().find(|(tool, _)| tool == "files.list");
        (
            said.verdict.clone(),
            said.grant,
            tool.unwrap().1.clone(),
            said.reason,
        )
    };
    let before = explain(&letters).await;
    assert_eq!((before.0.as_str(), before.2.as_str()), ("nothing", "ask"));
    // Links are followed, as the tools do; a slash at the end means nothing.
    let link = bed.home().join("link");
    std::os::unix::fs::symlink(&documents, &link).unwrap();
    let id = allow(&permissions, &format!("{}/", link.display()), 0).await;
    changed.next().await.unwrap();
    let grants = permissions.list_grants().await.unwrap();
    let grant = grants.iter().find(|g| g.id == id).unwrap();
    assert_eq!(grant.resource, documents.display().to_string());
    let after = explain(&letters).await;
    assert_eq!(
        (after.0.as_str(), after.1, after.2.as_str()),
        ("allow", id, "allow")
    );
    assert!(after.3.contains(&grant.resource), "{}", after.3);
    let reply = bed.ask(1, &list(&documents.join("letters"))).await;
    assert!(reply.contains("anna.txt"), "{reply}");
    let rows = bed.audit();
    assert_eq!(rows[0]["tool"], "permissions.grant");
    assert_eq!(rows[0]["agent"], "person");
    assert_eq!(rows[1]["by"], format!("grant {id}"));
    permissions.revoke(id).await.unwrap();
    changed.next().await.unwrap();
    assert_eq!(bed.audit()[2]["tool"], "permissions.revoke");
    let (reply, _) = bed.ask_and_answer(2, &list(&documents), "deny").await;
    assert!(!reply.contains("budget"), "{reply}");
}

pub(crate) async fn a_grant_ends_at_its_time() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let permissions = bed.permissions1().await;
    let documents = bed.home().join("Documents");
    let resource = documents.display().to_string();
    // Once it has answered it is up: that takes none of the grant's time.
    bed.ask(3, "hello").await;
    let end = now_ms() + 15_000;
    allow(&permissions, &resource, end).await;
    let reply = bed.ask(1, &list(&documents)).await;
    assert!(reply.contains("budget"), "{reply}");
    eventually("the grant is gone", async || {
        let grants = permissions.list_grants().await.unwrap();
        let gone = grants.iter().all(|g| g.resource != resource);
        gone.then_some(())
    })
    .await;
    assert!(now_ms() >= end, "it ended before its time");
    let (reply, _) = bed.ask_and_answer(2, &list(&documents), "deny").await;
    assert!(!reply.contains("budget"), "{reply}");
}

pub(crate) async fn a_refusal_outlives_a_change_of_the_agent() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let documents = bed.home().join("Documents");
    bed.ask_and_answer(1, &list(&documents), "never").await;
    bed.broker1().await.stop_agent("steward").await.unwrap();
    let manifest = bed.agents().join("steward/agent.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, format!("{text}\n# changed\n")).unwrap();
    bed.start_steward().await;
    let reply = bed.ask(2, &list(&documents.join("letters"))).await;
    assert!(reply.contains("refused this for good"), "{reply}");
}

pub(crate) async fn what_cannot_be_granted_says_why() {
    let bed = Bed::new(20.0).await;
    let permissions = bed.permissions1().await;
    for (agent, action, resource, verdict, scope, expires, why) in [
        (
            "nobody",
            "read",
            "/tmp",
            "allow",
            "always",
            0,
            "argos agents",
        ),
        (
            "../steward",
            "read",
            "/tmp",
            "allow",
            "always",
            0,
            "no agent",
        ),
        ("steward", "reed", "/tmp", "allow", "always", 0, "no action"),
        (
            "steward",
            "read",
            "/tmp/../etc",
            "allow",
            "always",
            0,
            "a path is absolute",
        ),
        (
            "steward",
            "network",
            "*.org",
            "allow",
            "always",
            0,
            "two names",
        ),
        (
            "steward",
            "network",
            "a.org/path",
            "allow",
            "always",
            0,
            "only the host",
        ),
        (
            "steward",
            "read",
            "/tmp",
            "maybe",
            "always",
            0,
            "allow or deny",
        ),
        (
            "steward",
            "read",
            "/tmp",
            "allow",
            "once",
            0,
            "session or always",
        ),
        (
            "steward",
            "read",
            "/tmp",
            "allow",
            "always",
            1,
            "over already",
        ),
    ] {
        let error = permissions
            .grant(agent, action, resource, verdict, scope, expires)
            .await
            .unwrap_err();
        let (Error::NotFound(text) | Error::InvalidArguments(text)) = &error else {
            panic!("{error}");
        };
        assert!(text.contains(why), "{text}");
    }
    let host = "\u{ff25}xample.ORG.:8443";
    let args = ("steward", "network", host, "deny", "session", 0);
    let id = permissions
        .grant(args.0, args.1, args.2, args.3, args.4, args.5)
        .await
        .unwrap();
    let grants = permissions.list_grants().await.unwrap();
    let grant = grants.iter().find(|g| g.id == id).unwrap();
    assert_eq!(
        (grant.resource.as_str(), grant.verdict.as_str()),
        ("example.org:8443", "deny")
    );
    assert!(matches!(
        permissions.revoke(999).await,
        Err(Error::NotFound(_))
    ));
}

/// The same user, on the same bus, in a user namespace of its own.
pub(crate) async fn a_program_in_a_sandbox_decides_nothing() {
    let bed = Bed::new(20.0).await;
    let permissions = bed.permissions1().await;
    let id = allow(&permissions, "/tmp", 0).await;
    let number = format!("uint64:{id}");
    let bus = format!("--bus={}", bed.address);
    let send = async |namespace: &[&str], call: &[&str]| {
        let to = [
            "dbus-send",
            "--print-reply",
            &bus,
            // One process has all of its names.
            "--dest=org.argos.Permissions1",
        ];
        let words: Vec<&str> = [namespace, &to[..], call].concat();
        let output = Command::new(words[0])
            .args(&words[1..])
            .output()
            .await
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&text).into_owned()
    };
    let path = "/org/argos/Permissions1";
    let inside = ["unshare", "--user", "--map-current-user", "--"];
    let list = [path, "org.argos.Permissions1.ListGrants"];
    let revoke = [path, "org.argos.Permissions1.Revoke", &number];
    let answer = [
        path,
        "org.argos.Permissions1.Answer",
        "uint64:1",
        "string:always",
    ];
    // It reaches the broker at all.
    let listed = send(&inside, &list).await;
    assert!(listed.contains("/tmp"), "{listed}");
    let providers = "/org/argos/Providers1";
    let declaration = "string:{name: x, kind: mcp, command: [/usr/bin/true]}";
    let add = [providers, "org.argos.Providers1.Add", declaration];
    let remove = [providers, "org.argos.Providers1.Remove", "string:mcp.x"];
    let place = [providers, "org.argos.Providers1.OpenClient", "string:x"];
    for call in [&revoke[..], &answer[..], &add[..], &remove[..], &place[..]] {
        let refused = send(&inside, call).await;
        assert!(refused.contains("org.argos.Error.Denied"), "{refused}");
        assert!(refused.contains("sandbox"), "{refused}");
    }
    let grants = permissions.list_grants().await.unwrap();
    assert!(grants.iter().any(|g| g.id == id), "{grants:?}");
    assert!(!bed.home().join(".config/argos/tools/x.yaml").exists());
    for call in [&revoke[..], &add[..], &remove[..]] {
        let done = send(&["env"], call).await;
        assert!(done.contains("method return"), "{done}");
    }
}

pub(crate) async fn all_questions_of_an_agent_are_denied_at_once() {
    let bed = Bed::new(20.0).await;
    bed.start_steward().await;
    let permissions = bed.permissions1().await;
    let mut requests = permissions.receive_requested().await.unwrap();
    let wish = list(&bed.home().join("Documents"));
    let denying = async {
        requests.next().await.unwrap();
        assert_eq!(permissions.deny_all("other").await.unwrap(), 0);
        assert_eq!(permissions.deny_all("steward").await.unwrap(), 1);
    };
    let (reply, ()) = tokio::join!(bed.ask(1, &wish), denying);
    assert!(!reply.contains("budget"), "{reply}");
    assert!(permissions.pending().await.unwrap().is_empty());
    assert_eq!(bed.audit()[0]["by"], "person (deny)");
}
