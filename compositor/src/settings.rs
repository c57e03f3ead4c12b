//! The settings while the compositor runs: read at start, read again when their file changes.
//!
//! All files that may hold the settings are followed, for a file that comes nearer to the person goes before one that
//! is there.
//!
//! A file with a mistake changes nothing: the settings from before stay in force, or at start the
//! defaults, and a [notice](crate::notice) says what is wrong and where until the file is right.
//! All of it takes effect at once.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    time::Duration,
};

use argos_config::watch::Watcher;
use smithay::{
    input::keyboard::{XkbConfig, xkb},
    reexports::calloop::{
        Interest, Mode, PostAction,
        generic::Generic,
        timer::{TimeoutAction, Timer},
    },
};

use crate::{
    bindings::Bindings,
    config::{Config, Keyboard, Look},
    error::Error,
    notice::Topic,
    state::State,
};

/// Whoever writes a file often does several things to it; they are looked at together after this.
const CALM: Duration = Duration::from_millis(60);

/// Where the settings come from.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    /// Settings to use instead of the usual files.
    named: Option<PathBuf>,
    /// The file that was read last, and its text.
    read: Option<(PathBuf, String)>,
    watcher: Option<Rc<Watcher>>,
    /// A change was seen and is looked at soon.
    pending: bool,
    /// The colours of the theme, for when the person's settings name none.
    pub(crate) theme: Option<Look>,
}

/// The settings as they were read.
#[derive(Debug)]
pub struct Loaded {
    /// They, or the defaults where they cannot be used.
    pub config: Config,
    /// What is wrong with the file: what, where and what to do.
    pub mistakes: Vec<String>,
    read: Option<(PathBuf, String)>,
}

/// Reads the settings: `named` alone if it is given, else the first of the usual files that is there.
/// A file that cannot be used costs nothing but the settings, so that a typing error does not cost the
/// person the screen.
pub fn load(named: Option<&Path>) -> Loaded {
    let path = candidates(named).into_iter().find(|path| path.exists());
    let Some(path) = path.or_else(|| named.map(Path::to_owned)) else {
        return Loaded {
            config: Config::default(),
            mistakes: Vec::new(),
            read: None,
        };
    };
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let (config, mistakes) =
        Config::read(&path).unwrap_or_else(|error| (Config::default(), vec![error.to_string()]));
    for mistake in &mistakes {
        tracing::warn!("settings: {mistake}");
    }
    Loaded {
        config,
        mistakes,
        read: Some((path, text)),
    }
}

/// What is wrong with settings, those of a keyboard's layout included: nothing for a good file. It is read as
/// [`load`] does, and nothing is put in force.
pub fn check(named: Option<&Path>) -> Vec<String> {
    let mut loaded = load(named);
    let keyboard = &loaded.config.keyboard;
    let keymap = xkb::Keymap::new_from_names(
        &xkb::Context::new(xkb::CONTEXT_NO_FLAGS),
        "",
        keyboard.model.as_str(),
        keyboard.layout.as_str(),
        keyboard.variant.as_str(),
        options(keyboard),
        xkb::KEYMAP_COMPILE_NO_FLAGS,
    );
    if keymap.is_none() {
        loaded.mistakes.push(no_such_layout(keyboard));
    }
    loaded.mistakes
}

fn options(keyboard: &Keyboard) -> Option<String> {
    Some(keyboard.options.clone()).filter(|options| !options.is_empty())
}

fn no_such_layout(keyboard: &Keyboard) -> String {
    format!(
        "keyboard: there is no layout `{}` with variant `{}`, model `{}` and options `{}`",
        keyboard.layout, keyboard.variant, keyboard.model, keyboard.options
    )
}

/// The files that may hold the settings, the one that goes before the others first.
fn candidates(named: Option<&Path>) -> Vec<PathBuf> {
    if let Some(named) = named {
        return vec![named.to_owned()];
    }
    let home = std::env::var_os("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")));
    home.map(|home| home.join("argos/compositor.yaml"))
        .into_iter()
        .chain([
            "/etc/argos/compositor.yaml".into(),
            "/usr/share/argos/compositor.yaml".into(),
        ])
        .collect()
}

impl State {
    /// Says what is wrong with the settings that were read at start, and follows their file from now
    /// on.
    ///
    /// # Errors
    /// When the kernel or the loop takes no more sources.
    pub fn watch_settings(&mut self, loaded: &Loaded, named: Option<PathBuf>) -> Result<(), Error> {
        let watcher = Rc::new(Watcher::of_changes().map_err(Error::event_loop)?);
        let source = Generic::new(Rc::clone(&watcher), Interest::READ, Mode::Level);
        self.handle
            .insert_source(source, |_, watcher, state| {
                if watcher.happened() {
                    state.look_at_settings_soon();
                }
                Ok(PostAction::Continue)
            })
            .map_err(|error| Error::event_loop(error.error))?;
        self.settings.named = named;
        self.settings.read.clone_from(&loaded.read);
        self.settings.watcher = Some(watcher);
        self.watch_files();
        self.show_mistakes(
            &loaded.mistakes,
            "Until it is mended, what is wrong is left out.",
        );
        Ok(())
    }

    fn watch_files(&self) {
        let Some(watcher) = &self.settings.watcher else {
            return;
        };
        for path in candidates(self.settings.named.as_deref()) {
            if let Err(error) = watcher.file(&path) {
                tracing::warn!(
                    "{error}; changes of {} take effect at the next start",
                    path.display()
                );
            }
        }
    }

    fn look_at_settings_soon(&mut self) {
        if self.settings.pending {
            return;
        }
        let timer = Timer::from_duration(CALM);
        let added = self.handle.insert_source(timer, |_, (), state| {
            state.settings.pending = false;
            state.watch_files();
            state.read_settings();
            TimeoutAction::Drop
        });
        self.settings.pending = added.is_ok();
    }

    /// Reads the settings again, if their file is another one or has another text.
    fn read_settings(&mut self) {
        let loaded = load(self.settings.named.as_deref());
        if loaded.read == self.settings.read {
            return;
        }
        self.settings.read = loaded.read;
        if loaded.mistakes.is_empty() {
            tracing::info!("the settings changed");
            self.show_notice(Topic::Settings, None);
            self.show_notice(Topic::Layout, None);
            self.apply_settings(loaded.config);
        } else {
            self.show_mistakes(&loaded.mistakes, "The settings from before stay in force.");
        }
    }

    fn show_mistakes(&mut self, mistakes: &[String], meanwhile: &str) {
        if mistakes.is_empty() {
            return;
        }
        let text = format!("{}\n{meanwhile}", mistakes.join("\n"));
        self.show_notice(Topic::Settings, Some(text));
    }

    /// Puts other settings in force.
    pub fn apply_settings(&mut self, config: Config) {
        let before = std::mem::replace(&mut self.config, config.clone());
        if before.keyboard != config.keyboard {
            self.set_keyboard(&config.keyboard);
        }
        if before.pointer != config.pointer {
            self.backend.set_pointers(&config.pointer);
        }
        if before.cursor != config.cursor {
            self.cursor.set_theme(&config.cursor);
        }
        if before.bindings != config.bindings {
            // What is wrong with them was said when they were read.
            self.bindings = Bindings::new(config.binding_pairs()).0;
        }
        if before.look != config.look {
            let theme = self.settings.theme.clone();
            self.set_look(config.look.clone().or(theme).unwrap_or_default());
        }
        self.change_layout(|layout| {
            layout.set_workspaces(config.workspaces as usize);
            layout.set_tiling_default(config.tiling.enabled);
            layout.set_gaps(config.tiling.gaps());
        });
        self.set_x11(config.xwayland.enabled);
        if before.outputs != config.outputs
            && let Err(error) = self.reset_outputs(&before.outputs)
        {
            let text = format!("{error}; the screens stay as they are");
            tracing::warn!("{text}");
            self.show_notice(Topic::Settings, Some(text));
        }
        if before.night_light != config.night_light {
            self.reset_night();
        }
        if before.accessibility != config.accessibility {
            self.reset_access();
        }
        if before.idle != config.idle {
            self.reset_idling();
        }
        self.outputs.queue_all();
    }

    fn set_keyboard(&mut self, settings: &Keyboard) {
        let keyboard = self.keyboard.clone();
        let options = options(settings);
        let layout = XkbConfig {
            rules: "",
            model: &settings.model,
            layout: &settings.layout,
            variant: &settings.variant,
            options,
        };
        if let Err(error) = keyboard.set_xkb_config(self, layout) {
            let text = format!(
                "{} ({error}); the layout from before stays in force",
                no_such_layout(settings)
            );
            tracing::warn!("{text}");
            self.show_notice(Topic::Layout, Some(text));
        }
        keyboard.change_repeat_info(settings.repeat_rate, settings.repeat_delay);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_file_costs_only_the_settings() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        for wrong in ["workspacess: 3", "look: {border: red}", "workspaces: ["] {
            std::fs::write(&path, wrong).unwrap();
            let loaded = load(Some(&path));
            assert_eq!(loaded.config, Config::default(), "{wrong}");
            let place = format!("{}:1:", path.display());
            assert!(
                loaded.mistakes[0].starts_with(&place),
                "{:?}",
                loaded.mistakes
            );
        }
        std::fs::write(&path, "").unwrap();
        assert!(load(Some(&path)).config == Config::default());
    }

    #[test]
    fn what_is_out_of_range_or_no_binding_is_left_out_and_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        let text = "workspaces: 40\noutputs:\n  eDP-1: {scale: 9}\nbindings:\n  Super+x: explode\n  Super+z: close\n";
        std::fs::write(&path, text).unwrap();
        let loaded = load(Some(&path));
        assert_eq!(loaded.config.workspaces, 4);
        assert_eq!(loaded.config.output("eDP-1").scale, 1.0);
        let lines: Vec<_> = loaded
            .mistakes
            .iter()
            .map(|mistake| {
                mistake[path.as_os_str().len() + 1..]
                    .split(':')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect();
        assert_eq!(lines, ["1", "3", "5"], "{:?}", loaded.mistakes);
    }

    #[test]
    fn settings_are_checked_with_the_layout_of_the_keyboard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compositor.yaml");
        let mistakes = |text: &str| {
            std::fs::write(&path, text).unwrap();
            check(Some(&path))
        };
        assert_eq!(mistakes("keyboard: {layout: de}\n"), [""; 0]);
        let wrong = mistakes("keyboard: {layout: nowhere}\n");
        assert!(wrong[0].contains("`nowhere`"), "{wrong:?}");
        let wrong = mistakes("workspaces: 40\nkeyboard: {layout: nowhere}\n");
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(mistakes("workspaces: [\n")[0].contains(":1:"));
    }
}
