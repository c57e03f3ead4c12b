//! `system.info`: facts on the machine, out of `/proc` and `/sys`. Nothing private: no processes,
//! no names of files, no addresses.

use std::path::Path;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Definition;
use crate::tool::Resolved;
use crate::{Action, Call, Context, Env, ToolError, Verdict};

pub(crate) struct SystemInfo;

/// What to tell about.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Arguments {
    /// One topic; all where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<Topic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Topic {
    Cpu,
    Memory,
    Disk,
    Battery,
    Network,
    Os,
    Uptime,
}

const TOPICS: [(&str, Topic); 7] = [
    ("cpu", Topic::Cpu),
    ("memory", Topic::Memory),
    ("disk", Topic::Disk),
    ("battery", Topic::Battery),
    ("network", Topic::Network),
    ("os", Topic::Os),
    ("uptime", Topic::Uptime),
];

impl Definition for SystemInfo {
    const NAME: &'static str = "system.info";
    const DESCRIPTION: &'static str =
        "Tells about the machine: processor, memory, disk, battery, network, system, uptime";
    const ACTION: Action = Action::Read;
    const DEFAULT: Verdict = Verdict::Allow;
    const WAITS: bool = false;
    type Arguments = Arguments;

    fn resolve(arguments: Arguments, _: &Context) -> Result<Resolved, ToolError> {
        Resolved::new(
            &arguments,
            "system",
            "Look at facts about the machine.",
            Self::DEFAULT,
        )
    }

    fn execute<'a>(call: &'a Call, env: &'a Env) -> BoxFuture<'a, Result<Value, ToolError>> {
        let home = env.context.home.clone();
        Box::pin(async move {
            let arguments: Arguments = super::arguments_of(Self::NAME, call.arguments.clone())?;
            let wanted = arguments.topic;
            let told = move || {
                let told: Map<String, Value> = TOPICS
                    .iter()
                    .filter(|(_, topic)| wanted.is_none_or(|wanted| wanted == *topic))
                    .map(|(name, topic)| ((*name).to_owned(), tell(*topic, &home)))
                    .collect();
                Ok(Value::Object(told))
            };
            match wanted {
                // The kernel has them at hand; the others may wait for a device or a disk.
                Some(Topic::Memory | Topic::Uptime) => told(),
                _ => super::blocking(Self::NAME, told).await,
            }
        })
    }
}

fn tell(topic: Topic, home: &Path) -> Value {
    match topic {
        Topic::Cpu => cpu(),
        Topic::Memory => memory(&read("/proc/meminfo")),
        Topic::Disk => disk(home),
        Topic::Battery => battery(Path::new("/sys/class/power_supply")),
        Topic::Network => network(Path::new("/sys/class/net")),
        Topic::Os => os(),
        Topic::Uptime => uptime(&read("/proc/uptime")),
    }
}

fn read(path: impl AsRef<Path>) -> String {
    std::fs::read_to_string(path)
        .map(|text| text.trim_end().to_owned())
        .unwrap_or_default()
}

fn cpu() -> Value {
    let info = read("/proc/cpuinfo");
    let model = field(&info, "model name").unwrap_or_default();
    let load: Vec<f64> = read("/proc/loadavg")
        .split(' ')
        .take(3)
        .filter_map(|number| number.parse().ok())
        .collect();
    json!({
        "model": model,
        "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "load_1_5_15_minutes": load,
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .filter_map(|line| line.split_once([':', '=']))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().trim_matches('"'))
}

fn memory(meminfo: &str) -> Value {
    let bytes = |name: &str| -> u64 {
        field(meminfo, name)
            .and_then(|value| value.split(' ').next()?.parse::<u64>().ok())
            .map_or(0, |kibibytes| kibibytes << 10)
    };
    let (total, available) = (bytes("MemTotal"), bytes("MemAvailable"));
    json!({
        "total_bytes": total,
        "available_bytes": available,
        "used_bytes": total.saturating_sub(available),
        "swap_total_bytes": bytes("SwapTotal"),
        "swap_free_bytes": bytes("SwapFree"),
    })
}

fn disk(home: &Path) -> Value {
    let space = |path: &Path| {
        rustix::fs::statvfs(path).ok().map(|stat| {
            json!({
                "total_bytes": stat.f_blocks * stat.f_frsize,
                "free_bytes": stat.f_bavail * stat.f_frsize,
            })
        })
    };
    json!({"home": space(home), "system": space(Path::new("/"))})
}

fn battery(folder: &Path) -> Value {
    let batteries: Vec<Value> = entries(folder)
        .into_iter()
        .filter(|path| read(path.join("type")) == "Battery")
        // Batteries of mice and keyboards are not the machine's.
        .filter(|path| read(path.join("scope")) != "Device")
        .map(|path| {
            json!({
                "percent": read(path.join("capacity")).parse::<u8>().ok(),
                "state": read(path.join("status")).to_lowercase(),
            })
        })
        .collect();
    if batteries.is_empty() {
        return json!({"present": false});
    }
    json!({"present": true, "batteries": batteries})
}

fn network(folder: &Path) -> Value {
    let links: Vec<Value> = entries(folder)
        .into_iter()
        .filter_map(|path| Some((path.file_name()?.to_str()?.to_owned(), path)))
        .filter(|(name, _)| name != "lo")
        .map(|(name, path)| {
            json!({"name": name, "up": read(path.join("operstate")) == "up", "wireless": path.join("wireless").exists()})
        })
        .collect();
    json!({"connected": links.iter().any(|link| link["up"] == true), "links": links})
}

fn entries(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .take(64)
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths
}

fn os() -> Value {
    let release = read("/etc/os-release");
    let kernel = rustix::system::uname();
    json!({
        "name": field(&release, "PRETTY_NAME").or(field(&release, "NAME")).unwrap_or("Linux"),
        "version": field(&release, "VERSION_ID"),
        "kernel": kernel.release().to_string_lossy(),
        "hostname": kernel.nodename().to_string_lossy(),
    })
}

fn uptime(text: &str) -> Value {
    let seconds = text
        .split(' ')
        .next()
        .and_then(|number| number.parse::<f64>().ok())
        .unwrap_or(0.0) as u64;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    json!({"seconds": seconds, "text": format!("{days} days, {hours} hours, {minutes} minutes")})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        let told = memory(
            "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\nSwapTotal: 0 kB",
        );
        assert_eq!(
            (told["total_bytes"].as_u64(), told["used_bytes"].as_u64()),
            (Some(2 << 20), Some(1 << 20))
        );
    }

    #[test]
    fn every_topic_tells_something_on_this_machine() {
        for (name, topic) in TOPICS {
            let told = tell(topic, Path::new("/"));
            assert!(
                told.as_object().is_some_and(|map| !map.is_empty()),
                "{name}: {told}"
            );
        }
        assert!(tell(Topic::Memory, Path::new("/"))["total_bytes"].as_u64() > Some(0));
    }

    #[test]
    fn batteries_of_mice_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for (name, scope) in [("BAT0", "System"), ("mouse", "Device")] {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).unwrap();
            for (file, text) in [
                ("type", "Battery\n"),
                ("scope", scope),
                ("capacity", "42\n"),
                ("status", "Charging\n"),
            ] {
                std::fs::write(path.join(file), text).unwrap();
            }
        }
        let told = battery(folder.path());
        assert_eq!(told["batteries"].as_array().map(Vec::len), Some(1));
        assert_eq!(told["batteries"][0]["percent"], 42);
    }
}
