//! The services that the shell talks to, faked on the session bus: for looking at the shell and
//! for trying it without the rest of the system. Answers of the fake agent come after two seconds;
//! a message with the word `ask` in it first asks for a permission.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use argos_bus::agents::{self, Agent, ChatMessage};
use argos_bus::permissions::Request;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, interface};

#[derive(Clone, Default)]
struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    messages: Vec<ChatMessage>,
    requests: Vec<Request>,
    state: String,
    workspace: u32,
}

fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_millis() as u64)
}

impl World {
    fn agent(&self) -> Agent {
        let state = self.0.lock().expect("lock").state.clone();
        Agent {
            name: "steward".into(),
            title: "Steward".into(),
            description: "Does what you ask".into(),
            state,
            detail: String::new(),
            since_ms: now_ms(),
        }
    }

    async fn enter(&self, connection: &Connection, state: &str) -> zbus::Result<()> {
        self.0.lock().expect("lock").state = state.into();
        let emitter = SignalEmitter::new(connection, "/org/argos/Agents1")?;
        Agents::state_changed(&emitter, self.agent()).await
    }

    async fn say(&self, connection: &Connection, role: &str, text: &str) -> zbus::Result<u64> {
        let message = {
            let mut state = self.0.lock().expect("lock");
            let id = state.messages.len() as u64 + 1;
            let message = ChatMessage {
                id,
                in_reply_to: 0,
                agent: "steward".into(),
                role: role.into(),
                text: text.into(),
                when_ms: now_ms(),
            };
            state.messages.push(message.clone());
            message
        };
        let id = message.id;
        let emitter = SignalEmitter::new(connection, "/org/argos/Agents1")?;
        Agents::message(&emitter, message).await?;
        Ok(id)
    }

    async fn answer(self, connection: Connection, text: String) -> zbus::Result<()> {
        self.enter(&connection, "thinking").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        if text.contains("ask") {
            self.enter(&connection, "waiting").await?;
            let request = Request {
                id: now_ms(),
                agent: "steward".into(),
                title: "Steward".into(),
                tool: "files.list".into(),
                action: "read".into(),
                resource: "/home/argos/Documents".into(),
                summary: "List the names, sizes and dates of what is in this folder.".into(),
                grantable: true,
                asked_ms: now_ms(),
                expires_ms: now_ms() + 60_000,
            };
            self.0.lock().expect("lock").requests.push(request.clone());
            let emitter = SignalEmitter::new(&connection, "/org/argos/Permissions1")?;
            return Permissions::requested(&emitter, request).await;
        }
        self.enter(&connection, "idle").await?;
        self.say(
            &connection,
            "agent",
            &format!("You said: **{text}**\n\n- one\n- `two`"),
        )
        .await?;
        Ok(())
    }
}

struct Agents(World);

#[interface(name = "org.argos.Agents1")]
impl Agents {
    fn list(&self) -> Vec<Agent> {
        vec![self.0.agent()]
    }

    async fn send(
        &self,
        #[zbus(connection)] connection: &Connection,
        agent: String,
        text: String,
    ) -> argos_bus::Result<u64> {
        if agent != "steward" {
            return Err(argos_bus::Error::NotFound(format!(
                "there is no agent `{agent}`"
            )));
        }
        let id = self.0.say(connection, "person", &text).await?;
        tokio::spawn(self.0.clone().answer(connection.clone(), text));
        Ok(id)
    }

    fn world(&self) -> agents::World {
        let agent = self.0.agent();
        agents::World {
            rooms: vec![agents::Room {
                name: agent.name.clone(),
                occupants: vec![agent.name.clone()],
            }],
            agents: vec![agent],
            pace: agents::Pace::default(),
            newest: 0,
        }
    }

    fn events(&self, _since: u64) -> Vec<agents::Event> {
        Vec::new()
    }

    fn history(&self, _agent: String, _limit: u32) -> Vec<ChatMessage> {
        self.0.0.lock().expect("lock").messages.clone()
    }

    #[zbus(signal)]
    async fn message(emitter: &SignalEmitter<'_>, message: ChatMessage) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn state_changed(emitter: &SignalEmitter<'_>, agent: Agent) -> zbus::Result<()>;
}

struct Permissions(World);

#[interface(name = "org.argos.Permissions1")]
impl Permissions {
    fn pending(&self) -> Vec<Request> {
        self.0.0.lock().expect("lock").requests.clone()
    }

    async fn answer(
        &self,
        #[zbus(connection)] connection: &Connection,
        id: u64,
        decision: String,
    ) -> argos_bus::Result<()> {
        println!("answer {decision}");
        self.0
            .0
            .lock()
            .expect("lock")
            .requests
            .retain(|request| request.id != id);
        let emitter = SignalEmitter::new(connection, "/org/argos/Permissions1")?;
        Permissions::resolved(&emitter, id, decision.clone()).await?;
        self.0.enter(connection, "idle").await?;
        self.0
            .say(
                connection,
                "agent",
                &format!("The answer was `{decision}`."),
            )
            .await?;
        Ok(())
    }

    #[zbus(signal)]
    async fn requested(emitter: &SignalEmitter<'_>, request: Request) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn resolved(emitter: &SignalEmitter<'_>, id: u64, decision: String) -> zbus::Result<()>;
}

struct Compositor(World);

#[interface(name = "org.argos.Compositor1")]
impl Compositor {
    async fn activate_workspace(
        &self,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        number: u32,
    ) -> zbus::fdo::Result<()> {
        println!("workspace {number}");
        self.0.0.lock().expect("lock").workspace = number;
        self.active_workspace_changed(&emitter).await?;
        Ok(())
    }
    #[zbus(property)]
    fn active_workspace(&self) -> u32 {
        self.0.0.lock().expect("lock").workspace
    }
    #[zbus(property)]
    fn workspaces(&self) -> u32 {
        4
    }
    #[zbus(signal)]
    async fn shell_requested(emitter: &SignalEmitter<'_>, part: String) -> zbus::Result<()>;
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> zbus::Result<()> {
    let world = World::default();
    {
        let mut state = world.0.lock().expect("lock");
        state.state = "idle".into();
        state.workspace = 1;
    }
    let _connection = zbus::connection::Builder::session()
        .serve_at("/org/argos/Agents1", Agents(world.clone()))
        .serve_at("/org/argos/Permissions1", Permissions(world.clone()))
        .serve_at("/org/argos/Compositor1", Compositor(world))
        .name("org.argos.Agents1")
        .name("org.argos.Permissions1")
        .name("org.argos.Compositor1")
        .build()
        .await?;
    println!("ready");
    std::future::pending::<()>().await;
    Ok(())
}
